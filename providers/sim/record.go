package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// TimeFormat is how calls.jsonl writes a moment: UTC, always as wide.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// Call is one call that reached the pretend world, or tried to. Each attempt of
// an SDK is a call of its own.
type Call struct {
	// Time is the pretend moment at which the call reached the world.
	Time time.Time
	// System is "aws.rds", "aws.route53", "kubernetes", "dns", "http", ...
	System string
	// Operation is the API's own name for it: "FailoverGlobalCluster", "patch
	// deployments/scale", "A api.ecommerce.com", "GET /api/v1/users/health".
	Operation string
	// Region is where that API's end really lives: Route 53 is us-east-1. Empty
	// for what lives nowhere in particular, such as the zone's name servers.
	Region string
	// Target is what the call was about, where one thing can be named.
	Target string
	// Mutating says that the operation is one that changes things.
	Mutating bool
	// Applied says that the world changed, even if the answer was lost.
	Applied bool
	// Error is what the caller was told; empty when all was well.
	Error string
}

// callJSON is the row of calls.jsonl.
type callJSON struct {
	Time      string `json:"time"`
	System    string `json:"system"`
	Operation string `json:"operation"`
	Region    string `json:"region"`
	Target    string `json:"target,omitempty"`
	Mutating  bool   `json:"mutating"`
	Applied   bool   `json:"applied"`
	Error     string `json:"error"`
}

// MarshalJSON writes the row of calls.jsonl.
func (c Call) MarshalJSON() ([]byte, error) {
	return json.Marshal(callJSON{
		c.Time.UTC().Format(TimeFormat), c.System, c.Operation, c.Region, c.Target, c.Mutating, c.Applied, c.Error,
	})
}

// UnmarshalJSON reads the row of calls.jsonl.
func (c *Call) UnmarshalJSON(b []byte) error {
	var r callJSON
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	t, err := time.Parse(TimeFormat, r.Time)
	if err != nil {
		return fmt.Errorf("time of a call: %w", err)
	}
	*c = Call{t, r.System, r.Operation, r.Region, r.Target, r.Mutating, r.Applied, r.Error}
	return nil
}

// String is the row for people.
func (c Call) String() string {
	s := fmt.Sprintf("%s %s %s %s", c.Time.UTC().Format(TimeFormat), c.System, c.Operation, c.Region)
	if c.Target != "" {
		s += " " + c.Target
	}
	if c.Applied {
		s += " applied"
	}
	if c.Error != "" {
		s += ": " + c.Error
	}
	return s
}

// Recorder keeps the calls, and writes each as a line of JSON where asked to.
type Recorder struct {
	mu    sync.Mutex
	out   io.Writer
	calls []Call
	err   error
}

// NewRecorder returns a recorder that also writes to out, unless that is nil.
func NewRecorder(out io.Writer) *Recorder { return &Recorder{out: out} }

// Add records a call. The row is written before Add returns.
func (r *Recorder) Add(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.calls) >= 2*callsKept {
		r.calls = append([]Call(nil), r.calls[len(r.calls)-callsKept:]...)
	}
	r.calls = append(r.calls, c)
	if r.out == nil || r.err != nil {
		return
	}
	line, err := json.Marshal(c)
	if err == nil {
		_, err = r.out.Write(append(line, '\n'))
	}
	if err != nil {
		r.err = fmt.Errorf("write down a call: %w", err)
	}
}

// callsKept is how many calls are kept at least: many times what a run makes. The rows
// that are written have them all.
const callsKept = 50_000

// Calls is a copy of what was recorded last, in order: everything of any run.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Call(nil), r.calls...)
}

// Err is the first error of writing, if there was one.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
