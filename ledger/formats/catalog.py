"""The formats that are read, in the order in which a file is held against them."""

from ledger.formats.browser_extension import BROWSER_EXTENSION
from ledger.formats.cloudevents import CLOUDEVENTS
from ledger.formats.data_request import DATA_REQUEST
from ledger.formats.foreign import Format
from ledger.formats.log_lines import LOG_LINES
from ledger.formats.open_platform import OPEN_PLATFORM
from ledger.formats.tracking_17track import TRACKING_17TRACK
from ledger.formats.tracking_aftership import TRACKING_AFTERSHIP

FACTS = "facts"
"""The ledger's own, which every file of JSON lines is taken for that is nothing else."""

_ALL: tuple[Format, ...] = (
    LOG_LINES,
    CLOUDEVENTS,
    TRACKING_17TRACK,
    TRACKING_AFTERSHIP,
    DATA_REQUEST,
    BROWSER_EXTENSION,
    OPEN_PLATFORM,
)

FORMATS: dict[str, Format] = {one.name: one for one in _ALL}
