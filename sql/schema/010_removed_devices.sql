-- What becomes of the cases of a device that is removed: its own are closed; one of a rule with `scope: grid` is the grid's, and
-- goes over to the device that next says the same.
ALTER TABLE grid_case ADD of_grid boolean NOT NULL DEFAULT false;
ALTER TABLE held_case ADD of_grid boolean NOT NULL DEFAULT false;
