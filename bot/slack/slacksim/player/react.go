package player

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/failoverbot/failoverbot/incident"
)

// note is a message of the bot as it stands now.
type note struct {
	channel, ts, only        string
	incident, kind, question string
	step, state              string
	buttons                  []offer
}

type offer struct{ block, action, value, text string }

func (n *note) about() string {
	switch {
	case n.step != "":
		return " for " + n.step
	case n.incident != "":
		return " of " + n.incident
	}
	return ""
}

// ask is one question to one person, on whichever message it stands; action is
// the button to answer it with.
type ask struct {
	person, question, step, value string
	action, channel               string
}

// key leaves the button out: whoever declined does not approve the same question
// as well. Breaking the glass is another matter: it is offered to those whose
// approval was not enough.
func (k *ask) key() string {
	key := k.person + "|" + k.question + "|" + k.step + "|" + k.value
	if k.action == breakGlass {
		key += "|" + breakGlass
	}
	return key
}

const breakGlass = "fo.break_glass"

func (n *note) ask(person string, b offer) *ask {
	return &ask{person: person, question: n.question, step: n.step, value: b.value, action: b.action, channel: n.channel}
}

// watcher waits until something does not stand any more.
type watcher struct {
	stands func() bool // called with mu held
	gone   chan func()
}

// formWait waits for a window to open for somebody.
type formWait struct {
	opened chan opened
}

type opened struct {
	view *window
	done func()
}

// keep remembers a message as it is now. Called with mu held.
func (p *Player) keep(m *message) {
	if m.User != p.botID {
		return
	}
	payload := func(name string) string { v, _ := m.Metadata.EventPayload[name].(string); return v }
	n := &note{channel: m.Channel, ts: m.TS, only: m.For}
	if m.Metadata.EventType == "failoverbot" {
		n.incident, n.kind, n.question = payload("incident"), payload("kind"), payload("question")
		n.step, n.state = payload("step"), payload("state")
	}
	for _, block := range m.Blocks {
		id, _ := block["block_id"].(string)
		list, _ := block["elements"].([]any)
		list = append(slices.Clone(list), block["accessory"])
		for _, v := range list {
			e, _ := v.(map[string]any)
			if e["type"] != "button" {
				continue
			}
			text, _ := e["text"].(map[string]any)
			o := offer{block: id}
			o.action, _ = e["action_id"].(string)
			o.value, _ = e["value"].(string)
			o.text, _ = text["text"].(string)
			n.buttons = append(n.buttons, o)
		}
	}
	p.notes[m.Channel+"|"+m.TS] = n
	if n.kind == "card" && n.incident != "" && n.state != "" {
		p.states[n.incident] = n.state
	}
}

// hear takes in what happened.
func (p *Player) hear(events []event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range events {
		e := &events[i]
		switch e.Type {
		case "post", "update", "ephemeral", "ephemeral_update":
			if e.Message != nil {
				p.keep(e.Message)
				p.heardBy(e.Message)
			}
		case "delete", "ephemeral_delete":
			if e.Message != nil {
				delete(p.notes, e.Message.Channel+"|"+e.Message.TS)
			}
		case "view":
			p.heard[e.For]++
			w := p.forms[e.For]
			if w == nil || e.View == nil {
				continue // e.g. what a submission turned a window into
			}
			delete(p.forms, e.For)
			w.opened <- opened{e.View, p.clock.Busy()}
		}
	}
}

// tooLate is what the bot says when a form came too late: nothing has come of what was
// asked, so it is asked again.
const tooLate = "could not be opened in time"

// heardBy counts what the bot said to everybody or to one. Called with mu held.
func (p *Player) heardBy(m *message) {
	if m.User != p.botID || strings.Contains(m.Text, tooLate) {
		return
	}
	for i := range p.people {
		if id := p.people[i].ID; m.For == "" || m.For == id {
			p.heard[id]++
		}
	}
}

// take counts an act in.
func (p *Player) take(act *Act) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used[act]++
	p.active++
}

// react starts what people do about what stands in the channel now.
func (p *Player) react(ctx context.Context) {
	type start struct {
		a     *actor
		act   *Act
		about *ask
	}
	var starts []start
	p.mu.Lock()
	notes := slices.SortedFunc(maps.Values(p.notes), func(a, b *note) int {
		if q := rank(a) - rank(b); q != 0 {
			return q
		}
		if a.ts < b.ts {
			return -1
		}
		return 1
	})
	offered := map[string]bool{}
	for i := range p.people {
		a := p.actors[p.people[i].ID]
		if a.Absent {
			continue
		}
		for _, n := range notes {
			for _, b := range n.buttons {
				offered[n.ask(a.ID, b).key()] = true
			}
			for i := range a.Does {
				if n.shows(a.Does[i].On) {
					offered[n.calm(a.ID, &a.Does[i]).key()] = true
				}
			}
			for act, about := p.match(a, n); act != nil; act, about = p.match(a, n) {
				p.used[act]++
				p.active++
				starts = append(starts, start{a, act, about})
			}
		}
	}
	// What is not asked any more may be asked again.
	maps.DeleteFunc(p.claimed, func(key string, _ bool) bool {
		return !offered[key] && key[0] != '!'
	})
	var wake []*watcher
	p.watchers = slices.DeleteFunc(p.watchers, func(w *watcher) bool {
		if w.stands() {
			return false
		}
		wake = append(wake, w)
		return true
	})
	for _, w := range wake {
		w.gone <- p.clock.Busy()
	}
	p.mu.Unlock()
	for _, s := range starts {
		p.begun(ctx, s.a, s.act, s.about)
	}
	p.maybeFinish()
}

// shown are the states on a card that an act can wait for.
var shown = map[string]string{OnMitigated: "mitigated", OnTakenBack: "taken back"}

// shows says that it is a card in the state that an act waits for.
func (n *note) shows(on string) bool {
	return n.kind == "card" && shown[on] != "" && n.state == shown[on]
}

// calm is the question that an incident puts, by the state that it has come to, to
// whoever was told to do something about it.
func (n *note) calm(person string, act *Act) *ask {
	return &ask{person: person, question: calmed, step: act.Say + act.Press, value: n.incident, channel: n.channel}
}

const calmed = "!" + OnMitigated

// rank lets a question be answered where it is asked rather than on the card.
func rank(n *note) int {
	if n.kind == "question" {
		return 0
	}
	return 1
}

// match finds what a person does about a message, and marks it as taken up.
// Called with mu held.
func (p *Player) match(a *actor, n *note) (*Act, *ask) {
	if n.only != "" && n.only != a.ID {
		return nil, nil
	}
	taken := func(key string) bool {
		if p.claimed[key] {
			return true
		}
		p.claimed[key] = true
		return false
	}
	for i := range a.Does {
		act := &a.Does[i]
		if p.used[act] >= act.limit() || act.Step != "" && act.Step != n.step {
			continue
		}
		switch act.On {
		case OnQuestion:
			if act.Kind != "" && act.Kind != n.question || n.question == "" && (act.Press == "" || n.kind == "card") {
				continue
			}
			about := p.asked(a, act, n)
			if about == nil || taken(about.key()) {
				continue
			}
			return act, about
		case OnMitigated, OnTakenBack:
			if !n.shows(act.On) || taken(n.calm(a.ID, act).key()) {
				continue
			}
			return act, n.calm(a.ID, act)
		case OnMessage:
			if act.Press != "" && p.asked(a, act, n) == nil {
				continue
			}
			if n.kind == "" || act.Kind != "" && act.Kind != n.kind || taken("!message|"+a.ID+"|"+n.channel+"|"+n.ts+"|"+act.Say+"|"+act.Press) {
				continue
			}
			return act, nil
		}
	}
	return nil, nil
}

// asked is the button of a message that an act answers with. Something that is
// said in answer belongs to the message's first button.
func (p *Player) asked(a *actor, act *Act, n *note) *ask {
	for _, b := range n.buttons {
		if act.Press == "" || b.action == act.actionID() {
			return n.ask(a.ID, b)
		}
	}
	return nil
}

// button finds what to press: the question's own button, or for an act that no
// question started, the newest button of that name.
func (p *Player) button(a *actor, act *Act, about *ask) (*note, offer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *note
	var found offer
	for _, n := range p.notes {
		if n.only != "" && n.only != a.ID {
			continue
		}
		for _, b := range n.buttons {
			if b.action != act.actionID() || !about.fits(n, n.ask(a.ID, b)) {
				continue
			}
			if best == nil || rank(n) < rank(best) || rank(n) == rank(best) && n.ts > best.ts {
				best, found = n, b
			}
		}
	}
	return best, found
}

// fits says whether a button belongs to what a person acts on.
func (k *ask) fits(n *note, button *ask) bool {
	switch {
	case k == nil:
		return true
	case k.question == calmed:
		return n.incident == k.value
	}
	return button.key() == k.key()
}

func (p *Player) where(about *ask) string {
	if about == nil {
		return "" // the first channel
	}
	return about.channel
}

var errStillAsked = errors.New("the question still stands")

// stands says whether a question is still asked. Called with mu held.
func (p *Player) stands(about *ask) bool {
	for _, n := range p.notes {
		if about.question == calmed {
			if (n.shows(OnMitigated) || n.shows(OnTakenBack)) && n.incident == about.value {
				return true
			}
			continue
		}
		if slices.ContainsFunc(n.buttons, func(b offer) bool { return n.ask(about.person, b).key() == about.key() }) {
			return true
		}
	}
	return false
}

// settled waits until something does not stand any more, and says whether that
// came about in time.
func (p *Player) settled(ctx context.Context, stands func() bool) bool {
	w := &watcher{stands: stands, gone: make(chan func(), 1)}
	p.mu.Lock()
	if !stands() {
		p.mu.Unlock()
		return true
	}
	p.watchers = append(p.watchers, w)
	p.mu.Unlock()
	within, cancel := p.clock.WithTimeout(ctx, lookAgain, errStillAsked)
	defer cancel()
	resume := p.clock.Idle()
	defer resume()
	select {
	case done := <-w.gone:
		resume()
		done()
		return true
	case <-within.Done():
		resume()
	}
	p.mu.Lock()
	p.watchers = slices.DeleteFunc(p.watchers, func(o *watcher) bool { return o == w })
	p.mu.Unlock()
	select {
	case done := <-w.gone:
		done()
		return true
	default:
		return ctx.Err() != nil
	}
}

// expectForm is called before the click, so that no window is missed.
func (p *Player) expectForm(person string) *formWait {
	w := &formWait{opened: make(chan opened, 1)}
	p.mu.Lock()
	p.forms[person] = w
	p.mu.Unlock()
	return w
}

func (p *Player) forget(person string, w *formWait) {
	p.mu.Lock()
	if p.forms[person] == w {
		delete(p.forms, person)
	}
	p.mu.Unlock()
	select {
	case o := <-w.opened:
		o.done()
	default:
	}
}

var errNoForm = errors.New("no form opened")

func (p *Player) awaitForm(ctx context.Context, w *formWait) *window {
	within, cancel := p.clock.WithTimeout(ctx, formWithin, errNoForm)
	defer cancel()
	resume := p.clock.Idle()
	defer resume()
	select {
	case o := <-w.opened:
		resume()
		o.done()
		return o.view
	case <-within.Done():
		return nil
	}
}

// turn lets a person do one thing at a time. It is handed over together with a
// busy clock.
type turn struct {
	mu    sync.Mutex
	taken bool
	queue []chan func()
}

func (t *turn) take(clock incident.Clock) {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return
	}
	next := make(chan func(), 1)
	t.queue = append(t.queue, next)
	t.mu.Unlock()
	resume := clock.Idle()
	done := <-next
	resume()
	done()
}

func (t *turn) give(clock incident.Clock) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		t.taken = false
		return
	}
	t.queue[0] <- clock.Busy()
	t.queue = t.queue[1:]
}
