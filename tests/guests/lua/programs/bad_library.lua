-- Fails whenever it is loaded.
error("the library is broken")
