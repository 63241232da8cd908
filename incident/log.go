package incident

import (
	"cmp"
	"context"
	"time"
)

// Log is where timelines live: all that the parts of a replica need of one store.
// Implementations: providers/redis for real, enginetest.Memory for tests of what
// stands on it. The suite of incident/engine/enginetest says what each promises.
type Log interface {
	Timelines
	Register
	Leases
	Messages

	// Durability says how safe what is appended is on this server.
	Durability(ctx context.Context) (Durability, error)
}

// Timelines are lists of events that only grow. A mirror needs no more than this.
type Timelines interface {
	// Append adds events in one piece after w.After, or nothing: ErrMoved when
	// somebody else was first or the event at w.After is not the one that the writer
	// has seen, ErrFenced when w.Fence is older than the newest lease, a
	// [LockedError] when it begins a run that changes things while another one may.
	// A repeated w.Request returns what the first one got. After a lost answer it is
	// called again with the same Write.
	Append(ctx context.Context, w Write) (Written, error)

	// Read returns up to limit events after seq (limit 0: all), in order, with their
	// bytes as stored.
	Read(ctx context.Context, id ID, after uint64, limit int) ([]Event, error)

	// Wait returns nil as soon as the timeline has events after seq, at once if
	// it has them already, and context.Cause(ctx) when ctx ends first. It may
	// return nil early, and does so within a second when the timeline was set back:
	// read and see.
	Wait(ctx context.Context, id ID, after uint64) error
}

// Register is the list of a platform's incidents. It follows from what is
// appended; see [Write.Claims].
type Register interface {
	// Reserve gives the id of a new incident of that year. Its number is the next
	// one that no timeline has; it is given again until one begins with it, so
	// numbers have no gaps, and of two that begin with the same number the second
	// gets ErrTaken and reserves anew. Its ending is never used twice. The same
	// request returns the id of the timeline that it began, if it began one.
	Reserve(ctx context.Context, now time.Time, request string) (ID, error)

	// Incidents are the last n ids that have a timeline (0: all), oldest first. The
	// platform log is none of them.
	Incidents(ctx context.Context, last int) ([]ID, error)

	// Open are those incidents that are not closed, oldest first.
	Open(ctx context.Context) ([]ID, error)

	// Holder is the run that may change things now; the zero value if none may.
	Holder(ctx context.Context) (Holder, error)
}

// Holder is the one run that may change things.
type Holder struct {
	Incident ID
	Run      RunID
}

// LockedError refuses the beginning of a run that changes things: Holder does
// already.
type LockedError struct{ Holder Holder }

// Error names the holder.
func (e *LockedError) Error() string {
	return "the run " + string(e.Holder.Run) + " of " + string(e.Holder.Incident) + " is under way and changes things; one at a time"
}

// Leases say which replica carries a timeline's run out.
type Leases interface {
	// Acquire takes the lease of an incident. The token is greater than all before it,
	// also for the same holder. While there is another holder's lease it returns a
	// [LeaseHeldError] that says which, unless the bid names exactly that one as what
	// it takes over: the bidder has to know that nobody keeps it any more.
	Acquire(ctx context.Context, id ID, b Bid) (token uint64, err error)

	// Renew prolongs the lease, or returns ErrFenced if it is no longer ours.
	Renew(ctx context.Context, id ID, token uint64, now time.Time, ttl time.Duration) error

	// Release gives the lease back; what is no longer ours stays as it is.
	Release(ctx context.Context, id ID, token uint64) error
}

// Lease is who carries a timeline's run out, as the record has it. The zero value is
// nobody's.
type Lease struct {
	Holder string
	Token  uint64
	// Until is when it runs out by its holder's clock, in whole milliseconds.
	Until time.Time
}

// Bid asks for a lease.
type Bid struct {
	// Holder names the process among all replicas; unique for each start.
	Holder string
	// Now is the bidder's clock, TTL for how long the lease is to last.
	Now time.Time
	TTL time.Duration
	// Over is the other holder's lease that is taken over. It counts only while it is
	// exactly that: one that was renewed since is not. Zero: none is.
	Over Lease
	// Above is the newest token that the bidder knows of. The new one is greater, also
	// where the record has lost its count.
	Above uint64
}

// LeaseHeldError refuses a bid: there is another holder's lease.
type LeaseHeldError struct {
	Incident ID
	Lease    Lease
}

// Error names the holder.
func (e *LeaseHeldError) Error() string {
	return "take the lease of " + string(e.Incident) + ": " + ErrLeaseHeld.Error() + " (" + e.Lease.Holder + ", until " + e.Lease.Until.UTC().Format(time.RFC3339) + ")"
}

// Is makes it an ErrLeaseHeld.
func (e *LeaseHeldError) Is(target error) bool { return target == ErrLeaseHeld }

// Messages remember where something was said on a face, so that it is said once
// and can be replaced. They are kept beside the timeline and are no part of it: a
// cache that can be found again from the face.
type Messages interface {
	// Remember keeps where that was said; a later one of the same key replaces it.
	Remember(ctx context.Context, id ID, key string, p Place) error

	// Remembered are all places of an incident, by key.
	Remembered(ctx context.Context, id ID) (map[string]Place, error)
}

// Place is where something was said.
type Place struct {
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	// Next is when the next one of this kind is due; zero if none is.
	Next time.Time `json:"next,omitzero"`
}

// Write is one append.
type Write struct {
	Incident ID
	// After is the seq of the last event that the writer has seen; 0 for a new
	// timeline.
	After uint64
	// Prev is the digest of that event. Empty: the Log looks it up, which costs a
	// read and says nothing about what the writer has seen.
	Prev   Digest
	Events []Event // Seq is assigned: After+1, After+2, ...
	// Request is unique for each decision. A repeated append is known by it.
	Request string
	// Fence is the writer's lease token; 0 for what people do, which any replica
	// may write.
	Fence uint64
	// Secure asks for all the durability that the server can give before the
	// answer; what was obtained is in Written.
	Secure bool
}

// Claims are what an append does to the register and the platform's lock, in the
// same piece as its events.
type Claims struct {
	// Opens: the incident is open from here; Closes: it is not any more.
	Opens, Closes bool
	// Reopens: it is open from here, and began before, although the record has lost
	// that: its number is its own.
	Reopens bool
	// Locks is the run that may change things from here; Unlocks the one that no
	// longer does. Empty: none.
	Locks, Unlocks RunID
}

// Claims follow from the events. Every Log asks for them, so that none can be
// forgotten by who writes.
func (w Write) Claims() Claims {
	var c Claims
	for _, e := range w.Events {
		switch b := e.Body.(type) {
		case IncidentDeclared:
			c.Opens, c.Closes = true, false
		case RunBegun:
			c.Opens, c.Closes = true, false
			if !b.Dry {
				c.Locks = e.Run
			}
		case RunAborted:
			c.over(e.Run)
		case RunEnded:
			c.over(e.Run)
			c.Closes = b.Closes
		case IncidentResolved:
			c.over(e.Run)
			c.Closes = true
		case HistoryDiverged:
			c.Reopens = c.Reopens || b.Open
		case HistoryRepaired:
			c.Closes = c.Closes || b.Closes
		}
	}
	return c
}

// over gives the lock of a run back. One that begins and ends in the same piece, as
// when lost events are restored, takes none. Of several that end in one piece only
// the first can have had it before.
func (c *Claims) over(run RunID) {
	if c.Locks == run {
		c.Locks = ""
	}
	c.Unlocks = cmp.Or(c.Unlocks, run)
}

// Written is the answer to an append.
type Written struct {
	// Seq of the last event written.
	Seq uint64
	// Events as they were stored; none for a repeat.
	Events []Event
	// Repeat says that this request had been written before.
	Repeat bool
	// Secured is filled when Write.Secure was set.
	Secured Secured
}

// Secured is what durability was obtained for one append.
type Secured struct {
	// Local says that it was fsynced to the append-only file of the server.
	Local bool `json:"local"`
	// Replicas that confirmed it.
	Replicas int `json:"replicas"`
	// How it was obtained, or why not: "WAIT: 1 replica", "no append-only file".
	How string `json:"how"`
}

// Durability is what a server promises for what it is told.
type Durability struct {
	// Server and version: "redis 7.0.15", "miniredis".
	Server string `json:"server"`
	// AppendOnly and Fsync are the server's settings ("always", "everysec", "no").
	AppendOnly bool   `json:"append_only"`
	Fsync      string `json:"fsync,omitempty"`
	Replicas   int    `json:"replicas"`
	// Volatile: what is written is lost with the process.
	Volatile bool `json:"volatile"`
	// Says is one sentence for people.
	Says string `json:"says"`
}
