-- Receivers may read another language than the hub's own, and people may be mentioned in a group's chat.
ALTER TABLE grid_case ADD other_title text;      -- in the other language; NULL: nobody reads it
ALTER TABLE person ADD mention text;             -- what the chat's program knows him by
