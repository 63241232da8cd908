package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Digest is the first 16 bytes, in hex, of the SHA-256 of an event's bytes as
// they are stored. Each event carries its predecessor's, so a history that went on
// elsewhere cannot be taken for the one that was read.
type Digest string

func digestOf(raw []byte) Digest {
	sum := sha256.Sum256(raw)
	return Digest(hex.EncodeToString(sum[:16]))
}

// Position is a place in a timeline: the number of an event and the digest of its
// bytes. The zero value is the place before the first.
type Position struct {
	Seq    uint64
	Digest Digest
}

// Position of an event that was read. One that was not stored yet has no digest.
func (e Event) Position() Position { return Position{e.Seq, e.digest} }

// Raw are the bytes of an event as they are stored, nil for one that was not.
// They must not be changed.
func (e Event) Raw() []byte { return e.raw }

// Errors of the chain. Match with errors.Is.
var (
	// ErrFormat: the timeline was written before runs and the chain.
	ErrFormat = errors.New("this timeline was written by a version from before runs and the chain of events, which this version does not read: look at it with the version that wrote it")
	// ErrChain: an event does not follow the one before it.
	ErrChain = errors.New("the chain of events is broken")
	// ErrDiverged: the record went on without events that it had acknowledged, and
	// nobody has decided yet how to go on from there.
	ErrDiverged = errors.New("the record has lost events and went on without them")
)

// Chain gives the events of a write their numbers and their predecessors' digests,
// and encodes them: what a Log stores is each one's Raw. It changes nothing in w.
func (w Write) Chain() ([]Event, error) {
	switch {
	case w.Incident == "":
		return nil, errors.New("append: the write names no incident")
	case w.Request == "":
		return nil, fmt.Errorf("append to %s: the write has no request id", w.Incident)
	case len(w.Events) == 0:
		return nil, fmt.Errorf("append to %s: the write has no events", w.Incident)
	}
	at := Position{w.After, w.Prev}
	out := make([]Event, 0, len(w.Events))
	for _, e := range w.Events {
		e.Seq, e.Prev = at.Seq+1, at.Digest
		raw, err := e.encode()
		if err != nil {
			return nil, fmt.Errorf("append to %s: %w", w.Incident, err)
		}
		if !json.Valid(raw) {
			return nil, fmt.Errorf("append to %s: event %d (%s) is not JSON", w.Incident, e.Seq, e.Body.Type())
		}
		e.raw, e.digest = raw, digestOf(raw)
		out = append(out, e)
		at = e.Position()
	}
	return out, nil
}

// follows checks that e is the next event after that position.
func follows(at Position, e Event) error {
	if e.Seq != at.Seq+1 {
		return fmt.Errorf("%w: event %d is followed by event %d", ErrChain, at.Seq, e.Seq)
	}
	if u, ok := e.Body.(Unknown); ok && u.Broken != "" {
		return nil // what it followed is not known
	}
	if e.Prev != at.Digest {
		return fmt.Errorf("%w: event %d does not follow event %d as that is on the record", ErrChain, e.Seq, at.Seq)
	}
	return nil
}

// Verify checks a whole timeline, from its first event. The error names the first
// event that does not follow; what was read before it can be relied on.
func Verify(events []Event) error {
	at := Position{}
	for _, e := range events {
		if err := follows(at, e); err != nil {
			return err
		}
		at = e.Position()
	}
	return nil
}
