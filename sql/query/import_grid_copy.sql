COPY import_grid FROM STDIN
