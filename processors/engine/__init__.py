"""All that knows Faust."""

import mode.loop

# Before Faust is imported, which takes the event loop that is chosen then.
mode.loop.use("uvloop")
