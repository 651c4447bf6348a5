-- question: Where is each parcel?
-- rows:     one per order and tracking number that an event of it names, also one that the seller only claims. A scan that
--           names no number counts for the order's parcel where it was shipped under one number only
-- columns:  tracking         tracking number
--           order_id         the marketplace's order number
--           carrier          who carries it, as last said
--           shipped_at       when it was first shipped; NULL where nobody says so
--           last_checkpoint  where its last scan saw it; `delivered` for a delivery scan
--           last_place       the town or office of that scan
--           last_scan_at     when that scan was
--           delivered_at     when it was first scanned as delivered
WITH live AS (
    SELECT order_id, version, type, occurred_at, tracking, carrier, checkpoint, place
    FROM events
    WHERE
        retracted_by IS NULL
        AND type IN ('shipped', 'scanned', 'delivered-scan', 'cancel-declined')
),
only_numbers AS (
    SELECT order_id, min(tracking) AS tracking
    FROM live
    WHERE type = 'shipped' AND tracking IS NOT NULL
    GROUP BY order_id
    HAVING min(tracking) = max(tracking)
),
sightings AS (
    SELECT
        live.order_id,
        live.version,
        live.type,
        live.occurred_at,
        live.carrier,
        CASE WHEN live.type = 'delivered-scan' THEN 'delivered' ELSE live.checkpoint END AS checkpoint,
        live.place,
        CASE
            WHEN live.tracking IS NULL AND live.type IN ('scanned', 'delivered-scan') THEN only_numbers.tracking
            ELSE live.tracking
        END AS tracking
    FROM live
    LEFT JOIN only_numbers ON only_numbers.order_id = live.order_id
),
last_scans AS (
    SELECT order_id, tracking, checkpoint, place, occurred_at
    FROM sightings
    WHERE checkpoint IS NOT NULL AND tracking IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY order_id, tracking ORDER BY occurred_at DESC, version DESC) = 1
),
numbers AS (
    SELECT
        order_id,
        tracking,
        arg_max(carrier, version) FILTER (WHERE carrier IS NOT NULL) AS carrier,
        min(occurred_at) FILTER (WHERE type = 'shipped') AS shipped_at,
        min(occurred_at) FILTER (WHERE type = 'delivered-scan') AS delivered_at
    FROM sightings
    WHERE tracking IS NOT NULL
    GROUP BY order_id, tracking
)
SELECT
    numbers.tracking,
    numbers.order_id,
    numbers.carrier,
    numbers.shipped_at,
    last_scans.checkpoint AS last_checkpoint,
    last_scans.place AS last_place,
    last_scans.occurred_at AS last_scan_at,
    numbers.delivered_at
FROM numbers
LEFT JOIN last_scans ON last_scans.order_id = numbers.order_id AND last_scans.tracking = numbers.tracking
