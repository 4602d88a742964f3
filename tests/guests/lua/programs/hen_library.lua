local egg = require("egg")

return { egg = egg }
