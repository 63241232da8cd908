package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"
)

// Order is an order that was written.
type Order struct {
	ID     string    `json:"id"`
	Region string    `json:"region"`
	At     time.Time `json:"at"`
	// Via is "own" for the Region's own address, "public" for the public name.
	Via string `json:"via"`
}

func (o Order) show(status string) any {
	return map[string]any{"id": o.ID, "status": status, "region": o.Region, "created_at": o.At.Format(TimeFormat)}
}

// The services that an order needs, and those among them that write.
var (
	orderNeeds  = []string{"order-service", "user-service", "product-service", "payment-service"}
	orderWrites = []string{"order-service", "user-service", "payment-service"}
)

// CannotOrder says why an order that reaches a Region cannot be written; empty
// when it can.
func (s *State) CannotOrder(region string) string {
	r := s.Regions[region]
	if r == nil || r.Lost {
		return "the Region does not answer"
	}
	for _, name := range orderNeeds {
		need := (wantedReplicas(name) + 1) / 2
		if d := r.Deployments[name]; d == nil || *d.Spec.Replicas == 0 {
			return name + " is scaled to zero"
		}
		if ready, _ := s.readyPods(r, name); ready < need {
			return fmt.Sprintf("%s is overloaded: %d pods are ready, production traffic needs %d", name, ready, need)
		}
	}
	w := s.writer()
	switch {
	case s.Database.Failover != nil:
		return "the database is changing its writer (" + s.Database.Failover.Status + ")"
	case w == nil || w.Region != region:
		return "the database is read-only in this Region"
	case w.Instances == 0:
		return "the database has no instance"
	}
	for _, name := range orderWrites {
		if ready, connected := s.readyPods(r, name); connected < ready {
			return fmt.Sprintf("%d of %d pods of %s hold connections to the former database writer", ready-connected, ready, name)
		}
	}
	if m := s.Cache.Member(region); m == nil || !m.Primary || s.Cache.Due.After(s.At) {
		return "the cache refuses writes: it is not the primary"
	}
	return ""
}

// writeOrder writes an order that reached a Region into the book. One that has the
// id of another is that one. Without an id it gets one. The status is HTTP's, and a
// refusal says why.
func (s *State) writeOrder(book *[]Order, region, via, id string) (o Order, status int, why string) {
	if why := s.CannotOrder(region); why != "" {
		return Order{}, http.StatusServiceUnavailable, why
	}
	if id == "" {
		id = fmt.Sprintf("syn-%06d", len(*book)+1)
	}
	for _, have := range *book {
		if have.ID == id {
			return have, http.StatusOK, ""
		}
	}
	o = Order{ID: id, Region: region, At: s.At, Via: via}
	*book = append(*book, o)
	return o, http.StatusCreated, ""
}

// readOrder reads an order back from the database of the Region that is asked.
func (s *State) readOrder(book []Order, region, id string) (o Order, status int, why string) {
	if ready, _ := s.readyPods(s.Regions[region], "order-service"); ready == 0 {
		return Order{}, http.StatusServiceUnavailable, "order-service has no ready pod"
	}
	for _, have := range book {
		if have.ID == id {
			return have, http.StatusOK, ""
		}
	}
	return Order{}, http.StatusNotFound, "there is no order " + id
}

// postOrder writes a synthetic order. A request with an id, in its body or as
// Idempotency-Key, writes one order however often it comes.
func postOrder(s *State, r *http.Request, body []byte) (int, any, bool) {
	region, _ := r.Context().Value(regionKey{}).(string)
	via, _ := r.Context().Value(viaKey{}).(string)
	var in struct {
		ID string `json:"id"`
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			return http.StatusBadRequest, reason("the order is not JSON: %v", err), false
		}
	}
	if in.ID == "" {
		in.ID = r.Header.Get("Idempotency-Key")
	}
	o, status, why := s.writeOrder(&s.Orders, region, via, in.ID)
	switch {
	case why != "":
		return status, reason("%s", why), false
	case status == http.StatusCreated:
		return status, o.show("created"), true
	}
	return status, o.show("exists"), false
}

func getOrder(s *State, r *http.Request, _ []byte) (int, any, bool) {
	region, _ := r.Context().Value(regionKey{}).(string)
	o, status, why := s.readOrder(s.Orders, region, r.PathValue("id"))
	if why != "" {
		return status, reason("%s", why), false
	}
	return status, o.show("confirmed"), false
}

// listed are how many of the last orders a page has.
const listed = 20

// getLastOrders is the page of the last orders, newest first. product-service serves it,
// which writes nothing and is not stopped with those that do.
func getLastOrders(s *State, r *http.Request, _ []byte) (int, any, bool) {
	region, _ := r.Context().Value(regionKey{}).(string)
	if ready, _ := s.readyPods(s.Regions[region], "product-service"); ready == 0 {
		return http.StatusServiceUnavailable, reason("product-service has no ready pod"), false
	}
	orders := []any{}
	for _, o := range s.lastOrders(region) {
		orders = append(orders, o.show("confirmed"))
	}
	return http.StatusOK, map[string]any{"region": region, "orders": orders}, false
}

// comparing is how long the pretend platform takes to restore a snapshot's copy and to
// compare it.
const comparing = 20 * time.Minute

// getLostOrders is the page of what is in the copy of a snapshot and was never received.
func getLostOrders(s *State, r *http.Request, _ []byte) (int, any, bool) {
	region, _ := r.Context().Value(regionKey{}).(string)
	if ready, _ := s.readyPods(s.Regions[region], "product-service"); ready == 0 {
		return http.StatusServiceUnavailable, reason("product-service has no ready pod"), false
	}
	q := r.URL.Query()
	for _, d := range s.Database.Snapshots {
		switch {
		case d.ID != q.Get("snapshot") || d.Region != q.Get("region") || d.Of == "":
		case s.At.Before(d.At.Add(comparing)):
			return http.StatusAccepted, reason("%s is being restored", d.ID), false
		default:
			orders := []any{}
			for _, id := range d.Lost {
				orders = append(orders, map[string]any{"id": id})
			}
			return http.StatusOK, map[string]any{"snapshot": d.ID, "orders": orders}, false
		}
	}
	return http.StatusNotFound, reason("there is no copy %q in %q", q.Get("snapshot"), q.Get("region")), false
}

// lastOrders are those that the database of a Region has, newest first: those of the bot
// and those that the world sends itself.
func (s *State) lastOrders(region string) []Order {
	until := s.At
	if w := s.writer(); w != nil && w.Region != region {
		until = until.Add(-time.Duration(s.Database.LagMS) * time.Millisecond)
	}
	var out []Order
	skip := s.Regions[region].MissingOrders
	l, own := &s.OwnOrders, len(s.Orders)-1
	take := func(o Order) {
		switch {
		case o.At.After(until):
		case skip > 0 && o.Region != region:
			skip--
		default:
			out = append(out, o)
		}
	}
	for i := len(l.Log) - 1; i >= 0 && len(out) < listed; i-- {
		for ; own >= 0 && len(out) < listed && !s.Orders[own].At.Before(l.at(i)); own-- {
			take(s.Orders[own])
		}
		for in, letter := range orderLetters {
			if l.Log[i] == letter && len(out) < listed {
				take(Order{ID: fmt.Sprintf("ord-%d", l.at(i).Unix()), Region: in, At: l.at(i), Via: viaPublic})
			}
		}
	}
	return out
}

// expectOrders says which order of the bot's is missing that a scenario expects.
func (s *State) expectOrders(e Expect, say say) {
	if e.SmokeOrder != "" && !s.ordered(e.SmokeOrder, viaOwn) {
		say("no order was written through the own address of %s since its database accepts writes", e.SmokeOrder)
	}
	if e.SyntheticOrder == "" {
		return
	}
	if !s.ordered(e.SyntheticOrder, viaPublic) {
		say("no order was written in %s through %s since its database accepts writes", e.SyntheticOrder, recordName)
	}
	if why := s.CannotOrder(e.SyntheticOrder); why != "" {
		say("an order in %s would fail: %s", e.SyntheticOrder, why)
	}
}

func (s *State) ordered(region, via string) bool {
	i := sort.Search(len(s.Orders), func(i int) bool { return !s.Orders[i].At.Before(s.Database.WritableSince) })
	for _, o := range s.Orders[i:] {
		if o.Region == region && o.Via == via {
			return true
		}
	}
	return false
}

// orderLetters are how an [OrderLog] writes an order that was written and read back
// in a Region.
var orderLetters = map[string]byte{homeRegion: 'e', standbyRegion: 'w'}

const (
	orderFailed = '-'
	orderEvery  = time.Second
	orderHour   = 60 * 60
	orderKept   = 24 * orderHour // an order log; its oldest hour makes room
)

// OrderLog is what became of the orders that the world itself sends, as its users do:
// one a second, through the public name, read back through it. They take no time,
// stand in no record of calls, and are no proof of an order that a scenario expects.
// The zero value is empty.
type OrderLog struct {
	// From is the moment of the first.
	From time.Time `json:"from"`
	// Log has a letter for each second from then on: e for one that was written and
	// read back in us-east-1, w in us-west-2, - for one that was not.
	Log string `json:"log"`
}

func (l *OrderLog) at(i int) time.Time { return l.From.Add(time.Duration(i) * orderEvery) }

// index of the first order that is not before a moment.
func (l *OrderLog) index(at time.Time) int {
	i := int((at.Sub(l.From) + orderEvery - 1) / orderEvery)
	return min(max(i, 0), len(l.Log))
}

func (l *OrderLog) add(at time.Time, letter byte) {
	if !at.Equal(l.at(len(l.Log))) { // the first, or time was left out in between
		l.From, l.Log = at, ""
	}
	l.Log += string(letter)
	if len(l.Log) > orderKept+orderHour {
		l.From, l.Log = l.at(orderHour), l.Log[orderHour:]
	}
}

// until counts the orders before a moment that got through in a Region, by its letter,
// and those that did not get through. stopped leaves out those right before it that did
// not: who writes is stopped before the database is asked to move.
func (l *OrderLog) until(at time.Time, region byte, stopped bool) (well, ill int) {
	if l.Log == "" {
		return 0, 0
	}
	part := l.Log[:l.index(at)]
	if stopped {
		part = strings.TrimRight(part, string(orderFailed))
	}
	return strings.Count(part, string(region)), strings.Count(part, string(orderFailed))
}

// stepOrders sends the world's own order of this second, once.
func (s *State) stepOrders() {
	l := &s.OwnOrders
	if !s.At.Equal(s.At.Truncate(orderEvery)) || l.Log != "" && !s.At.After(l.at(len(l.Log)-1)) {
		return
	}
	letter := byte(orderFailed)
	if region := s.resolve(recordName); s.ordersThrough(region) {
		letter = orderLetters[region]
	}
	l.add(s.At, letter)
}

// ordersThrough says whether an order that the public name sends to a Region at this
// moment is written and can be read back.
func (s *State) ordersThrough(region string) bool {
	var book []Order
	var o Order
	return s.gets(region, "POST "+orderPath, func() (status int) {
		o, status, _ = s.writeOrder(&book, region, viaPublic, "")
		return status
	}) && s.gets(region, "GET "+orderPath+"/{id}", func() (status int) {
		_, status, _ = s.readOrder(book, region, o.ID)
		return status
	})
}

// gets says whether a user's request to a Region gets a good answer. Faults that are
// meant for a number of the bot's calls are not used up.
func (s *State) gets(region, operation string, do func() (status int)) bool {
	r := s.Regions[region]
	if r == nil || r.Lost {
		return false
	}
	if s.faulted(region, operation) {
		return false
	}
	if r.fails(s.Seed, "own "+operation, s.At.Unix()) {
		return false
	}
	return do() < http.StatusBadRequest
}

// faulted says that a request of somebody else's to a Region meets with a fault that lasts.
func (s *State) faulted(region, operation string) bool {
	c := Call{System: "http", Operation: operation, Region: region}
	return slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Times == 0 && f.fits(c) })
}

// fails draws whether a Region that half works fails a request.
func (r *Region) fails(seed uint64, words ...any) bool {
	return r.Degraded != nil && draw(seed, 100, words...) < uint64(r.Degraded.FailPercent)
}

// OrderFigures is what a move from one Region to another cost those who order. A time
// that is zero has not come.
type OrderFigures struct {
	// Target is the Region that was to take over, and Go when that was agreed to.
	Target string
	Go     time.Time
	// Last is the last order before the database's writer moved that was written and
	// read back; First the first one after the move from which on all were. If the
	// writer did not move, Last is the last of all, and First is zero.
	Last, First time.Time
	// Served is the first order after Go that was written and read back in the target.
	Served time.Time
	// Failing says that the last order of all was not written or not read back.
	Failing bool
}

// Stopped is how long orders stopped; 0 if the writer did not move, or they have not
// come back for good.
func (f OrderFigures) Stopped() time.Duration {
	if f.Last.IsZero() || f.First.IsZero() {
		return 0
	}
	return f.First.Sub(f.Last)
}

// GoToServed is from Go to the first order in the target; 0 if there was none.
func (f OrderFigures) GoToServed() time.Duration {
	if f.Go.IsZero() || f.Served.IsZero() {
		return 0
	}
	return f.Served.Sub(f.Go)
}

// OrderFigures is what the move to a Region that was agreed to at a moment cost those
// who order, as far as until; zero is now.
func (w *World) OrderFigures(target string, agreed, until time.Time) OrderFigures {
	w.lock()
	defer w.unlock()
	w.state.advance(w.scn, w.clock.Now())
	return w.state.orderFigures(target, agreed, until)
}

func (s *State) orderFigures(target string, agreed, until time.Time) OrderFigures {
	f := OrderFigures{Target: target, Go: agreed}
	l := &s.OwnOrders
	end := len(l.Log)
	if !until.IsZero() {
		end = l.index(until)
	}
	if end == 0 {
		return f
	}
	f.Failing = l.Log[end-1] == orderFailed
	moved := end
	for _, w := range s.Database.Writers {
		if !agreed.IsZero() && w.Region == target && w.At.After(agreed) && l.index(w.At) < end {
			moved = l.index(w.At)
			break
		}
	}
	for i := moved - 1; i >= 0; i-- {
		if l.Log[i] != orderFailed {
			f.Last = l.at(i)
			break
		}
	}
	first := end
	for first > moved && l.Log[first-1] != orderFailed {
		first--
	}
	if first < end {
		f.First = l.at(first)
	}
	if !agreed.IsZero() {
		for i := l.index(agreed); i < end; i++ {
			if l.Log[i] == orderLetters[target] {
				f.Served = l.at(i)
				break
			}
		}
	}
	return f
}
