-- Its top level fails.
error("no luck today")

return { main = print }
