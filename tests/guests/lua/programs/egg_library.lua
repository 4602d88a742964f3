local hen = require("hen")

return { hen = hen }
