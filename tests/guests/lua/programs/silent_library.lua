set_by_the_silent_library = "set"
