COPY import_device (row, line, given, id, title, class, adapter, address, grid, lon, lat, parent, interval_us, stream, substream, ptz)
FROM STDIN
