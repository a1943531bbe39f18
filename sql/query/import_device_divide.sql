SELECT stream_divide($1)
