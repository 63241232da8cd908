// Package player plays the people of a rehearsal through Slack itself. It knows
// the address of the rehearsal Slack's side for people, what stands in the
// channel there, and what each person is told to do; nothing of the bot and
// nothing of the world.
//
// It recognises what is asked by what any app in the workspace can read: the
// metadata of the bot's messages and the ids of their buttons. A person who gets
// no answer tries again, as people do.
package player

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// Person is somebody of the scenario.
type Person struct {
	ID, Name string
	Roles    []string
	// Absent people do nothing, whatever they are told.
	Absent bool
	Does   []Act
}

// What an act can wait for.
const (
	OnStart     = "start"      // the beginning of the rehearsal
	OnQuestion  = "question"   // the bot asks, with a button to press
	OnMitigated = "mitigated"  // the card says so
	OnTakenBack = "taken-back" // the card says so
	OnMessage   = "message"    // the bot posts a message
)

// Act is one thing that a person does.
type Act struct {
	// On is what it waits for.
	On string
	// Kind narrows On: which question (go, approval, failed), or which kind of
	// message. Empty is any.
	Kind string
	// Step is the step that the question or message is about. Empty is any.
	Step string
	// After is how long the person takes.
	After time.Duration
	// Say is typed into the channel; with a slash it is a command.
	Say string
	// Press is the button's verb: go, go-override, approve, ...
	Press string
	// Form is what goes into the window that opens then: block id -> text.
	Form map[string]string
	// Times is how often at most; zero is every time for questions and once for
	// everything else.
	Times int
}

func (a *Act) limit() int {
	switch {
	case a.Times > 0:
		return a.Times
	case a.On == OnQuestion || shown[a.On] != "":
		return 1 << 30
	}
	return 1
}

// actionID is the button that an act presses.
func (a *Act) actionID() string { return "fo." + strings.ReplaceAll(a.Press, "-", "_") }

const (
	tryAgain   = 5 * time.Second  // after the bot did not answer
	lookAgain  = time.Minute      // after a click that changed nothing
	formWithin = 10 * time.Second // a form opens within three seconds or never
	clicksMax  = 20
	repeats    = 3
)

// Player plays the people.
type Player struct {
	url    string
	clock  incident.Clock
	people []Person
	log    func(string)
	http   *http.Client
	name   string
	actors map[string]*actor

	tasks sync.WaitGroup

	mu        sync.Mutex
	botID     string
	command   string
	notes     map[string]*note
	states    map[string]string // incident -> state on its card
	claimed   map[string]bool   // person|question -> somebody's act is on it
	used      map[*Act]int
	heard     map[string]int // person -> what the bot said or showed so far
	active    int            // acts that are not finished
	watchers  []*watcher
	forms     map[string]*formWait
	finishing context.CancelFunc
}

type actor struct {
	Person
	turn turn
}

// New returns a player for the rehearsal Slack at url, its page's address.
func New(url string, clock incident.Clock, people []Person, log func(string)) *Player {
	if log == nil {
		log = func(string) {}
	}
	p := &Player{
		url: strings.TrimSuffix(url, "/") + "/rehearsal/", clock: clock, people: people, log: log,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}, name: "player",
		actors: map[string]*actor{}, notes: map[string]*note{}, states: map[string]string{},
		claimed: map[string]bool{}, used: map[*Act]int{}, heard: map[string]int{}, forms: map[string]*formWait{},
	}
	for i := range people {
		p.actors[people[i].ID] = &actor{Person: people[i]}
	}
	return p
}

// Run plays until ctx ends, or until every incident is resolved or called off
// and nobody has anything left to do. It returns an error when the rehearsal
// Slack cannot be reached or does not know the people.
func (p *Player) Run(ctx context.Context) error {
	defer p.clock.Busy()()
	ctx, cancel := context.WithCancel(ctx)
	defer p.http.CloseIdleConnections()
	defer p.waitForTasks()
	defer cancel()
	p.mu.Lock()
	p.finishing = cancel
	p.mu.Unlock()
	defer p.leave()

	after, err := p.begin(ctx)
	if err != nil {
		return over(ctx, err)
	}
	for i := range p.people {
		a := p.actors[p.people[i].ID]
		for j := range a.Does {
			if act := &a.Does[j]; act.On == OnStart && !a.Absent {
				p.take(act)
				p.begun(ctx, a, act, nil)
			}
		}
	}
	for misses := 0; ; {
		resume := p.clock.Idle()
		b, err := p.poll(ctx, after, true)
		resume()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if misses++; misses > 3 {
				return err
			}
			if p.clock.Sleep(ctx, time.Second) != nil {
				return nil
			}
			continue
		}
		misses = 0
		if b.Lost {
			return errors.New("the rehearsal Slack no longer keeps the news that the player has not read")
		}
		after = b.Next
		p.hear(b.Events)
		p.react(ctx)
	}
}

func over(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (p *Player) waitForTasks() {
	resume := p.clock.Idle()
	p.tasks.Wait()
	resume()
}

// begin reads what is there already and registers as a paced reader, while time
// stands still.
func (p *Player) begin(ctx context.Context) (after int, err error) {
	st, err := p.state(ctx)
	if err != nil {
		return 0, err
	}
	known := map[string]bool{}
	for _, person := range st.People {
		known[person.ID] = true
	}
	for _, person := range p.people {
		if !known[person.ID] {
			return 0, fmt.Errorf("the rehearsal Slack has no %s (%s)", person.ID, person.Name)
		}
		for i := range person.Does {
			if err := person.Does[i].check(); err != nil {
				return 0, fmt.Errorf("%s, act %d: %w", person.Name, i+1, err)
			}
		}
	}
	p.mu.Lock()
	p.botID, p.command = st.Bot.ID, st.Command
	p.mu.Unlock()
	b, err := p.poll(ctx, st.Seq, false)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	for _, channel := range st.Messages {
		for i := range channel {
			p.keep(&channel[i])
		}
	}
	for i := range st.Ephemerals {
		p.keep(&st.Ephemerals[i])
	}
	p.mu.Unlock()
	p.hear(b.Events)
	p.react(ctx)
	return b.Next, nil
}

func (a *Act) check() error {
	if !slices.Contains([]string{OnStart, OnQuestion, OnMitigated, OnTakenBack, OnMessage}, a.On) {
		return fmt.Errorf("on %q does not exist; there are start, question, mitigated, taken-back and message", a.On)
	}
	if (a.Say == "") == (a.Press == "") {
		return errors.New("either say or press has to be given, and not both")
	}
	return nil
}

// begun starts an act that take or react has counted. The caller is busy.
func (p *Player) begun(ctx context.Context, a *actor, act *Act, about *ask) {
	done := p.clock.Busy()
	p.tasks.Go(func() {
		defer done()
		p.play(ctx, a, act, about)
	})
}

func (p *Player) play(ctx context.Context, a *actor, act *Act, about *ask) {
	finished := sync.OnceFunc(func() {
		p.mu.Lock()
		p.active--
		p.mu.Unlock()
		p.maybeFinish()
	})
	defer finished()
	if act.After > 0 && p.clock.Sleep(ctx, act.After) != nil {
		return
	}
	for try := 0; ; try++ {
		a.turn.take(p.clock)
		heard := p.heardSoFar(a)
		if ctx.Err() == nil {
			heard = p.perform(ctx, a, act, about, heard)
		}
		a.turn.give(p.clock)
		if try == repeats || ctx.Err() != nil || act.Say != "" && !p.isCommand(act.Say) {
			return
		}
		// What is acknowledged can still get lost with the bot that took it. Whoever
		// sees no effect does it again.
		finished()
		stands := func() bool { return p.heard[a.ID] == heard }
		if about != nil {
			stands = func() bool { return p.stands(about) }
		}
		if p.settled(ctx, stands) {
			return
		}
		p.log(fmt.Sprintf("%s sees no effect and tries again", a.Name))
	}
}

func (p *Player) heardSoFar(a *actor) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard[a.ID]
}

// perform types or clicks, and fills in what opens. It returns how much the
// person had heard when they sent the last of it: what comes after is the effect.
func (p *Player) perform(ctx context.Context, a *actor, act *Act, about *ask, heard int) int {
	var form *formWait
	if len(act.Form) > 0 {
		form = p.expectForm(a.ID)
		defer p.forget(a.ID, form)
	}
	for click := 1; ; click++ {
		out, err := p.once(ctx, a, act, about)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				p.log(fmt.Sprintf("%s: %v", a.Name, err))
			}
			return heard
		case out.Error == "no_answer" || out.Error == "not_delivered":
			p.log(fmt.Sprintf("%s reads: %s", a.Name, out.Reason))
		case !out.OK:
			p.log(fmt.Sprintf("%s reads: %s", a.Name, out.Reason))
			return heard
		case form == nil:
			return heard
		default:
			if v := p.awaitForm(ctx, form); v != nil {
				return p.fillIn(ctx, a, act, v)
			}
			if ctx.Err() != nil {
				return heard
			}
			// What was answered in another way is not done again at once.
			if click >= repeats || p.heardSoFar(a) != heard {
				p.log(fmt.Sprintf("%s waited for a form and none came", a.Name))
				return heard
			}
		}
		if click == clicksMax || p.clock.Sleep(ctx, tryAgain) != nil {
			return heard
		}
	}
}

// once types or clicks a single time.
func (p *Player) once(ctx context.Context, a *actor, act *Act, about *ask) (outcome, error) {
	if act.Say != "" {
		text := strings.TrimSpace(act.Say)
		verb := "say"
		if p.isCommand(text) {
			verb = "command"
		}
		p.log(fmt.Sprintf("%s types: %s", a.Name, text))
		return p.deed(ctx, verb, deed{As: a.ID, Channel: p.where(about), Text: text})
	}
	n, b := p.button(a, act, about)
	if n == nil {
		return outcome{Error: "refused", Reason: fmt.Sprintf("there is no %q to press any more", act.Press)}, nil
	}
	p.log(fmt.Sprintf("%s presses %q%s", a.Name, b.text, n.about()))
	return p.deed(ctx, "press", deed{As: a.ID, Channel: n.channel, MessageTS: n.ts, BlockID: b.block, ActionID: b.action, Value: b.value, Confirmed: true})
}

func (p *Player) isCommand(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), p.command)
}

// fillIn fills the window that opened, and what it turns into.
func (p *Player) fillIn(ctx context.Context, a *actor, act *Act, v *window) (heard int) {
	for page, click := 0, 1; page < 3; {
		values, unused := v.values(act.Form)
		if len(unused) > 0 && page == 0 {
			p.log(fmt.Sprintf("%s finds no field %s in %q", a.Name, strings.Join(unused, ", "), v.title()))
		}
		p.log(fmt.Sprintf("%s fills in %q%s", a.Name, v.title(), told(values)))
		heard = p.heardSoFar(a)
		out, err := p.deed(ctx, "submit", deed{As: a.ID, ViewID: v.ID, Values: values})
		switch {
		case err != nil:
			if ctx.Err() == nil {
				p.log(fmt.Sprintf("%s: %v", a.Name, err))
			}
			return heard
		case out.OK && out.View != nil:
			v = out.View
			page++
			continue
		case out.OK:
			return heard
		case out.Error == "no_answer" || out.Error == "not_delivered":
			p.log(fmt.Sprintf("%s reads: %s", a.Name, out.Reason))
			if click++; click > clicksMax || p.clock.Sleep(ctx, tryAgain) != nil {
				return heard
			}
			continue
		}
		p.log(fmt.Sprintf("%s's form was not accepted: %s", a.Name, out.said()))
		if _, err := p.deed(ctx, "close", deed{As: a.ID, ViewID: v.ID}); err != nil && ctx.Err() == nil {
			p.log(fmt.Sprintf("%s: %v", a.Name, err))
		}
		return heard
	}
	return heard
}

// maybeFinish ends Run when nothing is left.
func (p *Player) maybeFinish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active > 0 || len(p.states) == 0 {
		return
	}
	for _, state := range p.states {
		if state != "resolved" && state != "aborted" && state != incident.ClosedUnserved {
			return
		}
	}
	p.finishing()
}
