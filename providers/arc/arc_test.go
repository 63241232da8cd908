package arc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

const (
	east = "us-east-1"
	west = "us-west-2"
)

// key signs, on both sides.
var key = credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "hunter2", "")

// standIn is a cluster: five servers on loopback that share the states of the controls.
type standIn struct {
	t       *testing.T
	servers map[string]*httptest.Server // by the Region that each stands for
	clock   *clock

	mu     sync.Mutex
	states states
	// does is how an endpoint misbehaves: see answer. Empty: not at all.
	does map[string]string
	// seen are the requests: "us-west-2 UpdateRoutingControlStates".
	seen    []string
	applied int
	// sent counts the requests, and stops end the time of each.
	sent  int
	stops map[string]func()
}

// clock stands still, and the time of a call is up when the stand-in says so.
type clock struct {
	incident.RealClock
	now time.Time
}

func (c *clock) Now() time.Time { return c.now }

type stopKey struct{}

func (c *clock) WithTimeout(ctx context.Context, _ time.Duration, cause error) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	return context.WithValue(ctx, stopKey{}, func() { stop(cause) }), func() { stop(context.Canceled) }
}

// wire sends requests, and lets the stand-in end the time of each.
type wire struct{ *standIn }

const numbered = "X-Number"

func (w wire) Do(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.sent++
	number := strconv.Itoa(w.sent)
	w.stops[number], _ = r.Context().Value(stopKey{}).(func())
	w.mu.Unlock()
	r.Header.Set(numbered, number) // which nobody has signed
	return http.DefaultClient.Do(r)
}

// turns gives the endpoints other ways to misbehave.
func (s *standIn) turns(does map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.does = does
}

func arnOf(region string) string { return Platform.Example.(Settings).Regions[region].RoutingControl }

func newStandIn(t *testing.T, does map[string]string) *standIn {
	t.Helper()
	s := &standIn{t: t, servers: map[string]*httptest.Server{}, clock: &clock{now: time.Date(2026, 3, 3, 14, 0, 0, 0, time.UTC)}, does: does, stops: map[string]func(){}}
	s.states = states{arnOf(east): On, arnOf(west): Off}
	for region := range Platform.Example.(Settings).ClusterEndpoints {
		s.servers[region] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(region, w, r) }))
		if does[region] == "away" {
			s.servers[region].Close()
			continue
		}
		t.Cleanup(s.servers[region].Close)
	}
	return s
}

// call is one of a step that moves users from the east to the west.
func (s *standIn) call() (*ARC, engine.Call) {
	s.t.Helper()
	set := Settings{ClusterEndpoints: map[string]string{}, Regions: Platform.Example.(Settings).Regions}
	for region, server := range s.servers {
		set.ClusterEndpoints[region] = server.URL + "/v1"
	}
	top := runbook.Topology{Record: "api.ecommerce.com"}
	if err := Platform.Freeze(&top, set); err != nil {
		s.t.Fatal(err)
	}
	step := runbook.Step{ID: "shift-controls", Uses: shiftAction}
	p := &runbook.Plan{Mode: "planned", Topology: top, Source: runbook.Region{Name: east}, Target: runbook.Region{Name: west}, Steps: []runbook.Step{step}}
	a := New(func(region string) aws.Config {
		if region != west {
			s.t.Errorf("credentials of %s are asked for", region)
		}
		return aws.Config{Region: region, Credentials: key, HTTPClient: wire{s}}
	})
	return a, engine.Call{Incident: "INC-2026-0042", Plan: p, Step: step, Clock: s.clock, Result: func(string) (engine.Outcome, bool) { return engine.Outcome{}, false }}
}

// asked are the endpoints at which an operation arrived, in order.
func (s *standIn) asked(operation string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, one := range s.seen {
		if region, op, _ := strings.Cut(one, " "); op == operation {
			out = append(out, region)
		}
	}
	return out
}

// signed says whether a request is signed with the key for that Region, over this body.
func (s *standIn) signed(region string, r *http.Request, body []byte) error {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || !at.Equal(s.clock.now) {
		return fmt.Errorf("signed at %s: %w", r.Header.Get("X-Amz-Date"), err)
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for _, h := range []string{"Content-Type", "X-Amz-Target"} {
		again.Header.Set(h, r.Header.Get(h))
	}
	c, err := key.Retrieve(s.t.Context())
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(s.t.Context(), c, again, hex.EncodeToString(sum[:]), "route53-recovery-cluster", region, at); err != nil {
		return err
	}
	if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
		return fmt.Errorf("signed as %s, not as %s", got, want)
	}
	return nil
}

// published are errors as the API's model has them: status and shape.
var published = map[string]struct {
	status int
	body   string
}{
	"denied":      {403, `{"__type":"com.amazonaws.route53recoverycluster#AccessDeniedException","message":"User is not authorized to perform: route53-recovery-cluster:UpdateRoutingControlStates"}`},
	"resting":     {409, `{"__type":"ConflictException","message":"the safety rule at-least-one-on is in its wait period after the last change","resourceId":"at-least-one-on","resourceType":"SafetyRule"}`},
	"conflict":    {409, `{"__type":"ConflictException","message":"the rule at-least-one-on is not satisfied","resourceId":"at-least-one-on","resourceType":"SafetyRule"}`},
	"unavailable": {503, `{"__type":"EndpointTemporarilyUnavailableException","message":"The endpoint is temporarily unavailable"}`},
	"5xx":         {500, `{"__type":"InternalServerException","message":"An internal error","retryAfterSeconds":1}`},
	"missing":     {404, `{"__type":"ResourceNotFoundException","message":"No such routing control","resourceId":"0123456789abcdef","resourceType":"RoutingControl"}`},
	"limit":       {402, `{"__type":"ServiceLimitExceededException","message":"Too many states","limitCode":"L-1","serviceCode":"route53-recovery-cluster"}`},
	"throttle":    {429, `{"__type":"ThrottlingException","message":"Rate exceeded","retryAfterSeconds":1}`},
	"invalid":     {400, `{"__type":"ValidationException","message":"Arn failed to satisfy the pattern"}`},
	"skewed":      {403, `{"__type":"InvalidSignatureException","message":"Signature expired: 20260303T140000Z is now earlier than 20260303T141000Z"}`},
	"a page":      {502, `<html>bad gateway</html>`},
	"another's":   {404, `<html>no such page</html>`},
	"foreign":     {200, `<html>log in first</html>`},
	"half":        {200, `{"RoutingControlState":"On"}`},
	"undecided":   {200, `{"RoutingControlArn":"%s","RoutingControlState":"Neither"}`},
}

func (s *standIn) serve(region string, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "ToggleCustomerAPI.")
	s.mu.Lock()
	does := s.does[region]
	s.seen = append(s.seen, region+" "+operation)
	s.mu.Unlock()
	if err := s.signed(region, r, body); err != nil {
		s.t.Errorf("%s: %v", operation, err)
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1" || r.Header.Get("Content-Type") != "application/x-amz-json-1.0" {
		s.t.Errorf("%s: %s %s, %s", operation, r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	s.answer(does, operation, body, w, r)
}

func (s *standIn) answer(does, operation string, body []byte, w http.ResponseWriter, r *http.Request) {
	switch does {
	case "hang":
		s.mu.Lock()
		up := s.stops[r.Header.Get(numbered)]
		s.mu.Unlock()
		up()
		<-r.Context().Done()
		return
	case "lost":
		if _, _, err := s.do(operation, body); err != nil {
			s.t.Error(err)
		}
		panic(http.ErrAbortHandler)
	}
	if is, ok := published[does]; ok {
		if strings.Contains(is.body, "%s") {
			is.body = fmt.Sprintf(is.body, arnOf(east))
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(is.status)
		_, _ = io.WriteString(w, is.body)
		return
	}
	if does != "" {
		s.t.Errorf("the stand-in does not know %q", does)
	}
	status, out, err := s.do(operation, body)
	if err != nil {
		s.t.Error(err)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, out)
}

// do carries an operation out.
func (s *standIn) do(operation string, body []byte) (int, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	switch operation {
	case "GetRoutingControlState":
		var in struct{ RoutingControlArn string }
		if err := d.Decode(&in); err != nil {
			return 400, "", err
		}
		return 200, fmt.Sprintf(`{"RoutingControlArn":%q,"RoutingControlName":"a","RoutingControlState":%q}`, in.RoutingControlArn, s.states[in.RoutingControlArn]), nil
	case "UpdateRoutingControlStates": // with nothing but the entries: no rule is ever overridden
		var in struct {
			UpdateRoutingControlStateEntries []struct {
				RoutingControlArn   string
				RoutingControlState State
			}
		}
		if err := d.Decode(&in); err != nil {
			return 400, "", err
		}
		if len(in.UpdateRoutingControlStateEntries) != 2 {
			return 400, "", fmt.Errorf("not both states in one batch: %s", body)
		}
		before := maps.Clone(s.states)
		for _, e := range in.UpdateRoutingControlStateEntries {
			s.states[e.RoutingControlArn] = e.RoutingControlState
		}
		if !maps.Equal(before, s.states) {
			s.applied++
		}
		return 200, "{}", nil
	}
	return 400, "", fmt.Errorf("operation %q", operation)
}

var moved = states{arnOf(east): Off, arnOf(west): On}

// every gives all endpoints the same way to misbehave, but for some.
func every(does string, but ...string) map[string]string {
	out := map[string]string{}
	for region := range Platform.Example.(Settings).ClusterEndpoints {
		if !slices.Contains(but, region) {
			out[region] = does
		}
	}
	return out
}

// Whatever an endpoint does that says nothing of the others, the next one is asked; with one
// that is away and with four.
func TestAnotherEndpointIsAskedWhereOneDoesNotAnswer(t *testing.T) {
	for _, does := range []string{"away", "hang", "lost", "throttle", "5xx", "unavailable", "a page", "another's", "foreign"} {
		for _, well := range []string{"eu-west-1", east} {
			t.Run(does+" but in "+well, func(t *testing.T) {
				s := newStandIn(t, every(does, well))
				a, c := s.call()
				o, there, err := a.Look(t.Context(), c)
				if there || err != nil || o.Evidence[took] != well || o.Summary != "the routing controls are us-east-1 On, us-west-2 Off, by the endpoint in "+well || len(o.Prior) == 0 {
					t.Fatalf("%t %q %v", there, o.Summary, err)
				}
				done, err := a.Do(t.Context(), c)
				if err != nil || done.Evidence[took] != well || !maps.Equal(s.states, moved) || s.applied != 1 {
					t.Fatalf("%q %v: %v, applied %d times", done.Summary, err, s.states, s.applied)
				}
				if at := s.asked("UpdateRoutingControlStates"); len(at) > 5 || at[len(at)-1] != well {
					t.Errorf("asked to change at %v", at)
				}
				back, err := a.Back(t.Context(), c, o.Prior)
				if err != nil || s.states[arnOf(east)] != On || s.states[arnOf(west)] != Off {
					t.Errorf("taken back: %q %v: %v", back.Summary, err, s.states)
				}
			})
		}
	}
}

// With none that answers it is said what each of them did. The change may have happened
// where one may have taken it, and then only a look tells.
func TestNoEndpointAnswers(t *testing.T) {
	for does, is := range map[string]struct {
		retry, unknown, person bool
		says                   string
	}{
		"away":        {true, false, false, "connection refused"},
		"hang":        {false, true, false, "no answer within 4s"},
		"lost":        {false, true, false, "EOF"},
		"throttle":    {true, false, false, "throttled (ThrottlingException: Rate exceeded)"},
		"5xx":         {false, true, false, "InternalServerException"},
		"unavailable": {false, true, false, "EndpointTemporarilyUnavailableException"},
		"a page":      {false, true, false, "the answer (HTTP 502) could not be read"},
		"another's":   {false, true, true, "the answer (HTTP 404) could not be read"},
		"foreign":     {false, true, false, "the answer (HTTP 200) could not be read"},
	} {
		t.Run(does, func(t *testing.T) {
			s := newStandIn(t, every(does))
			a, c := s.call()
			_, err := a.Do(t.Context(), c)
			f := incident.CallErrorOf(err)
			if err == nil || f.Retry != is.retry || f.Unknown != is.unknown || f.NeedsPerson != is.person || !strings.Contains(err.Error(), is.says) {
				t.Errorf("change: retry %t, unknown %t, person %t: %v", f.Retry, f.Unknown, f.NeedsPerson, err)
			}
			for region := range s.servers {
				if !strings.Contains(err.Error(), "at the endpoint in "+region+": ") {
					t.Errorf("%s is not told of: %v", region, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "Signature=") {
				t.Errorf("a secret is told: %v", err)
			}
			if does == "lost" { // it counts by reading
				s.turns(nil)
				if o, there, err := a.Look(t.Context(), c); !there || err != nil || s.applied != 1 {
					t.Errorf("after the answers were lost: %t %q %v, applied %d times", there, o.Summary, err, s.applied)
				}
				return
			}
			o, there, err := a.Look(t.Context(), c)
			if f := incident.CallErrorOf(err); there || err == nil || f.Unknown || f.Retry == is.person || s.applied != 0 {
				t.Errorf("look: %t %q %v", there, o.Summary, err)
			}
		})
	}
}

// A refusal is the cluster's, whichever endpoint tells it: no other one is asked, and it is
// told with its words.
func TestARefusalIsFinal(t *testing.T) {
	for does, is := range map[string]struct{ says, hint string }{
		"denied":   {"Route53 Recovery Cluster UpdateRoutingControlStates: AccessDeniedException", "widen the role"},
		"conflict": {"ConflictException: the rule at-least-one-on is not satisfied", "overrides no safety rule"},
		"missing":  {"ResourceNotFoundException: No such routing control (0123456789abcdef)", "compare the settings"},
		"limit":    {"ServiceLimitExceededException: Too many states", ""},
		"invalid":  {"ValidationException: Arn failed to satisfy the pattern", ""},
		"skewed":   {"InvalidSignatureException: Signature expired", "check the clock"},
	} {
		t.Run(does, func(t *testing.T) {
			s := newStandIn(t, every(does))
			a, c := s.call()
			_, err := a.Do(t.Context(), c)
			f := incident.CallErrorOf(err)
			if err == nil || f.Retry || f.Unknown || !f.NeedsPerson || !strings.Contains(err.Error(), is.says) || !strings.Contains(f.Hint, is.hint) {
				t.Errorf("retry %t, unknown %t, person %t: %v (%s)", f.Retry, f.Unknown, f.NeedsPerson, err, f.Hint)
			}
			if at := s.asked("UpdateRoutingControlStates"); len(at) != 1 || s.applied != 0 {
				t.Errorf("asked at %v, applied %d times", at, s.applied)
			}
			if does == "conflict" {
				if !f.Definite {
					t.Error("it is known that it did not happen")
				}
				return
			}
			if o, there, err := a.Look(t.Context(), c); there || err == nil || !incident.CallErrorOf(err).NeedsPerson {
				t.Errorf("look: %t %q %v", there, o.Summary, err)
			}
		})
	}
}

// A conflict after an answer that was lost may come of that very change.
func TestAConflictAfterALostAnswerIsNotSure(t *testing.T) {
	s := newStandIn(t, every("lost"))
	a, c := s.call()
	k, err := a.cluster(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range k.endpoints[1:] {
		s.does[e.region] = "conflict"
	}
	_, err = a.Do(t.Context(), c)
	if f := incident.CallErrorOf(err); err == nil || !f.Unknown || f.Definite || f.Retry || !strings.Contains(err.Error(), "at-least-one-on") {
		t.Errorf("%+v", f)
	}
	s.turns(nil)
	if o, there, err := a.Look(t.Context(), c); !there || err != nil || s.applied != 1 {
		t.Errorf("%t %q %v, applied %d times", there, o.Summary, err, s.applied)
	}
}

// What a safety rule refuses for a while is sent again then, and not to another endpoint,
// which has the same rule.
func TestAWaitPeriodIsWaitedFor(t *testing.T) {
	s := newStandIn(t, every("resting"))
	a, c := s.call()
	_, err := a.Do(t.Context(), c)
	if f := incident.CallErrorOf(err); err == nil || !f.Retry || f.NeedsPerson || f.Unknown || f.Definite || f.After != 5*time.Second || !strings.Contains(err.Error(), "in its wait period") {
		t.Errorf("%v: %+v", err, f)
	}
	if at := s.asked("UpdateRoutingControlStates"); len(at) != 1 || s.applied != 0 {
		t.Errorf("asked at %v, applied %d times", at, s.applied)
	}
	// An answer that was lost before it leaves it open whether it came of that very change.
	s = newStandIn(t, every("lost"))
	a, c = s.call()
	k, err := a.cluster(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range k.endpoints[1:] {
		s.does[e.region] = "resting"
	}
	_, err = a.Do(t.Context(), c)
	if f := incident.CallErrorOf(err); err == nil || !f.Unknown || f.Retry {
		t.Errorf("after a lost answer: %+v", f)
	}
}

// An answer that does not say how a control is tells nothing.
func TestAnAnswerThatSaysNothingOfTheControlIsNone(t *testing.T) {
	for _, does := range []string{"half", "undecided", "foreign"} {
		s := newStandIn(t, every(does))
		a, c := s.call()
		if o, there, err := a.Look(t.Context(), c); there || err == nil || !strings.Contains(err.Error(), "the answer (HTTP 200) could not be read") {
			t.Errorf("%s: %t %q %v", does, there, o.Summary, err)
		}
	}
}

// Every endpoint is the first of some call, and the one in the Region that is left is last.
func TestTheEndpointThatIsAskedFirstIsAnotherOneEachTime(t *testing.T) {
	s := newStandIn(t, nil)
	a, c := s.call()
	first := map[string]int{}
	for range 200 {
		s.clock.now = s.clock.now.Add(time.Second)
		k, err := a.cluster(c)
		if err != nil {
			t.Fatal(err)
		}
		first[k.endpoints[0].region]++
		if len(k.endpoints) != size || k.endpoints[size-1].region != east {
			t.Fatalf("in the order %v", k.endpoints)
		}
	}
	if len(first) != size-1 || first[east] != 0 {
		t.Errorf("asked first: %v", first)
	}
}

// What was set is read at another endpoint than the one that took it; where no other
// answers, that is said.
func TestStatesAreReadBackFromAnotherEndpoint(t *testing.T) {
	s := newStandIn(t, nil)
	a, c := s.call()
	done, err := a.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Result = func(step string) (engine.Outcome, bool) { return done, step == "shift-controls" }
	s.seen = nil
	o, ok, err := a.ReadBack(t.Context(), c)
	if !ok || err != nil || o.Measured.Verdict == incident.Warn || o.Evidence[took] == done.Evidence[took] || len(s.asked("GetRoutingControlState")) != 2 {
		t.Errorf("%t %q %v: %v", ok, o.Summary, err, s.seen)
	}
	s.turns(every("hang", done.Evidence[took]))
	if o, ok, err = a.ReadBack(t.Context(), c); !ok || err != nil || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "no other endpoint answers") {
		t.Errorf("by itself: %t %v %q %v", ok, o.Measured.Verdict, o.Summary, err)
	}
	s.turns(every("hang"))
	if o, ok, err = a.ReadBack(t.Context(), c); ok || err == nil {
		t.Errorf("nobody: %t %q %v", ok, o.Summary, err)
	}
	s.turns(nil)
	s.mu.Lock()
	s.states[arnOf(east)] = On
	s.mu.Unlock()
	if o, ok, err = a.ReadBack(t.Context(), c); ok || err != nil || !strings.Contains(o.Summary, "us-east-1 On, us-west-2 On") {
		t.Errorf("otherwise: %t %q %v", ok, o.Summary, err)
	}
}

// Without credentials nothing is sent.
func TestWithoutCredentialsNothingLeaves(t *testing.T) {
	s := newStandIn(t, nil)
	_, c := s.call()
	a := New(func(region string) aws.Config { return aws.Config{Region: region, HTTPClient: http.DefaultClient} })
	_, err := a.Do(t.Context(), c)
	if f := incident.CallErrorOf(err); err == nil || f.Unknown || !strings.Contains(err.Error(), "nothing to sign the call with") || len(s.seen) != 0 {
		t.Errorf("%v, seen %v", err, s.seen)
	}
}

// Whoever stops waiting gets their reason back, and no further endpoint is asked.
func TestACallThatIsGivenUpAsksNoFurtherEndpoint(t *testing.T) {
	s := newStandIn(t, nil)
	a, c := s.call()
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("the lease is gone"))
	_, err := a.Do(ctx, c)
	if err == nil || !strings.Contains(err.Error(), "the lease is gone") || len(s.seen) != 0 {
		t.Errorf("%v, seen %v", err, s.seen)
	}
}
