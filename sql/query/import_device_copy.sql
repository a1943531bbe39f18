COPY import_device FROM STDIN
