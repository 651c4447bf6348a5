"""The ledger's data model in words.

A *fact* is something that happened to an order, as somebody told it: a line of an import, a command at the prompt.
`decide` refuses a fact that cannot be true, or completes it into an *event*: amounts moved, timers started, the
status after it, and *flags* where it should not have happened so. A *recorded* event is one line of the *log*: the
event with its `seq` in the ledger, its `version` in the order, and a checksum. Lines are never changed; a mistake is
taken back by another line, a *retraction*.

An *order* is the fold (`evolve`) of its lines. Its *money* is in four accounts: the `buyer` pays into `escrow`; from
there it goes to the `seller`, or through `refunds` back to the `buyer`. Every event's *postings* sum to zero.
A *policy* holds the numbers of the trade: how long each *timer* runs.

The *event store* keeps the log in *segments*, files named by their first seq; one *writer* at a time appends, syncs,
and only then acknowledges. An *index* finds an order's lines; like every other file but the log, it can be deleted
and is made again. A *checkpoint* is a head of the Merkle tree over the exact bytes of the lines: whoever keeps one can
tell later that nothing before it was changed. Nothing in this package knows the time of day, the terminal, the
environment or chance.
"""
