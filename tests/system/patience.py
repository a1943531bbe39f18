"""How much longer than on an idle machine a test waits before it gives up."""

PATIENCE = 4  # what takes a second there may take some where compilers and other tests run beside it
