package incident

import (
	"context"
	"time"
)

// Log is where timelines live. Implementations: providers/redis for real,
// enginetest.Memory for tests of what stands on it. The suite of
// incident/engine/enginetest says what each promises.
type Log interface {
	// Open reserves the id of a new incident of that year and makes it the
	// current one. If one is current and not closed it returns that one's id and
	// ErrOpen. An incident that was reserved but got no event within a minute of
	// now (somebody died in between) is given again instead. The same request
	// returns the same id.
	Open(ctx context.Context, now time.Time, request string) (ID, error)

	// Current is the incident that Open gave last and Close has not closed;
	// "" if there is none.
	Current(ctx context.Context) (ID, error)

	// Close lets the next incident open. Closing what is not current does nothing.
	Close(ctx context.Context, id ID) error

	// Incidents are all ids that have a timeline, oldest first.
	Incidents(ctx context.Context) ([]ID, error)

	// Append adds events in one piece after w.After, or nothing: ErrMoved when
	// somebody else was first, ErrFenced when w.Fence is older than the newest
	// lease. A repeated w.Request returns what the first one got. After a lost
	// answer it is called again with the same Write.
	Append(ctx context.Context, w Write) (Written, error)

	// Read returns up to limit events after seq (limit 0: all), in order.
	Read(ctx context.Context, id ID, after uint64, limit int) ([]Event, error)

	// Wait returns nil as soon as the timeline has events after seq, at once if
	// it has them already, and context.Cause(ctx) when ctx ends first. It may
	// return nil early; read and see.
	Wait(ctx context.Context, id ID, after uint64) error

	// Durability says how safe what is appended is on this server.
	Durability(ctx context.Context) (Durability, error)

	// Acquire takes the lease of an incident for ttl. The token is greater than
	// all before it, also for the same holder. If another holder's lease has not
	// run out it returns ErrLeaseHeld. now is the caller's clock.
	Acquire(ctx context.Context, id ID, holder string, now time.Time, ttl time.Duration) (token uint64, err error)

	// Renew prolongs the lease, or returns ErrFenced if it is no longer ours.
	Renew(ctx context.Context, id ID, token uint64, now time.Time, ttl time.Duration) error

	// Release gives the lease back; what is no longer ours stays as it is.
	Release(ctx context.Context, id ID, token uint64) error
}

// Write is one append.
type Write struct {
	Incident ID
	// After is the seq of the last event that the writer has seen; 0 for a new
	// timeline.
	After  uint64
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

// Written is the answer to an append.
type Written struct {
	// Seq of the last event written.
	Seq uint64
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
