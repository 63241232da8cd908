package incident

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/failoverbot/failoverbot/incident/text"
)

// Format is the version of the timeline that this program writes. The first event
// of a timeline carries it. Later versions are read: what they add is kept and
// skipped. Timelines from before runs and the chain have none and are refused.
const Format = 2

// Event is something that happened, in the past tense. Events gain fields and
// never change meaning; old timelines still load.
type Event struct {
	// Seq counts from 1 without a gap.
	Seq uint64
	// Time it was decided, by the clock of whoever appended it, in UTC.
	Time time.Time
	// Actor is who caused it: a roster id, a stranger's id on a face
	// ("slack:U0123456789"), or Bot.
	Actor string
	// Via is the face that the actor came by; nil for the bot.
	Via *Via
	// Run is the run that it belongs to; empty for what belongs to the incident.
	Run RunID
	// Prev is the digest of the predecessor's bytes as stored; empty for the first.
	Prev Digest
	// Restored is the seq that it had before the record lost it; 0 otherwise.
	Restored uint64
	Body     Body

	raw    []byte // as stored; nil before it was
	digest Digest
}

// Via is how somebody came: the face and their id there.
type Via struct {
	Face string `json:"face"` // slack, terminal
	ID   string `json:"id,omitempty"`
}

// Body is what is particular to one type of event. Its JSON fields stand beside
// the event's own: those of head are taken.
type Body interface {
	// Type is the event's name in JSON: "StepStarted".
	Type() string
}

// Unknown keeps an event of a type that this version does not know. It is
// carried along and skipped by Fold.
type Unknown struct {
	Name string
	Raw  json.RawMessage // the whole event as it was read
	// Broken says what is wrong with an event that cannot be read or is missing; empty
	// for one that is only of an unknown type.
	Broken string
}

// Broken stands in a timeline for an event that somebody damaged or removed: its
// number, the digest that it had as far as that is known, what is there instead, and
// what is wrong in words. The events behind it follow as they did; what the timeline
// means cannot be told any more, and State.Damage says so.
func Broken(seq uint64, digest Digest, raw []byte, why string) Event {
	if raw == nil {
		raw = []byte{}
	}
	return Event{Seq: seq, Body: Unknown{Name: "Broken", Broken: why}, raw: raw, digest: digest}
}

// Type is the name it was read with.
func (u Unknown) Type() string { return u.Name }

type head struct {
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	Actor    string    `json:"actor,omitempty"`
	Via      *Via      `json:"via,omitempty"`
	Run      RunID     `json:"run,omitempty"`
	Prev     Digest    `json:"prev,omitempty"`
	Restored uint64    `json:"restored,omitempty"`
	Format   int       `json:"format,omitempty"`
}

// MarshalJSON writes one flat object: the event's own fields, then its body's. An
// event that was read is written as it was stored, byte for byte, with all that
// this version does not know.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.raw != nil {
		return e.raw, nil
	}
	return e.encode()
}

func (e Event) encode() ([]byte, error) {
	if e.Body == nil {
		return nil, fmt.Errorf("event %d has no body", e.Seq)
	}
	h := head{e.Seq, e.Time.UTC(), e.Body.Type(), e.Actor, e.Via, e.Run, e.Prev, e.Restored, 0}
	if e.Seq == 1 {
		h.Format = Format
	}
	if u, ok := e.Body.(Unknown); ok {
		return u.encode(h)
	}
	own, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(e.Body)
	if err != nil {
		return nil, fmt.Errorf("write event %s: %w", e.Body.Type(), err)
	}
	if !bytes.Equal(b, []byte("{}")) {
		own = append(append(own[:len(own)-1:len(own)-1], ','), b[1:]...)
	}
	// People look at timelines with cat.
	return text.JSON(own), nil
}

// encode writes an unknown event in a new place: only its number and what chains
// it to its predecessor change.
func (u Unknown) encode(h head) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(u.Raw, &fields); err != nil {
		return nil, fmt.Errorf("write event %s: %w", u.Name, err)
	}
	set := func(key string, v any, is bool) error {
		delete(fields, key)
		if !is {
			return nil
		}
		b, err := json.Marshal(v)
		fields[key] = b
		return err
	}
	err := errors.Join(
		set("seq", h.Seq, true), set("prev", h.Prev, h.Prev != ""),
		set("restored", h.Restored, h.Restored != 0), set("format", h.Format, h.Format != 0),
	)
	if err != nil {
		return nil, err
	}
	out, err := json.Marshal(fields)
	return text.JSON(out), err
}

// UnmarshalJSON reads what MarshalJSON wrote and keeps its bytes. An unknown type
// becomes Unknown.
func (e *Event) UnmarshalJSON(data []byte) error {
	var h head
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	if h.Seq == 1 && h.Format == 0 {
		return ErrFormat
	}
	raw := bytes.Clone(data)
	*e = Event{
		Seq: h.Seq, Time: h.Time, Actor: h.Actor, Via: h.Via, Run: h.Run, Prev: h.Prev, Restored: h.Restored,
		raw: raw, digest: digestOf(raw),
	}
	read, ok := bodies[h.Type]
	if !ok {
		e.Body = Unknown{Name: h.Type, Raw: raw}
		return nil
	}
	b, err := read(data)
	if err != nil {
		return fmt.Errorf("read event %d (%s): %w", h.Seq, h.Type, err)
	}
	e.Body = b
	return nil
}

func body[T Body](data []byte) (Body, error) {
	var b T
	err := json.Unmarshal(data, &b)
	return b, err
}
