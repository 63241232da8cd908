package slack

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
)

const (
	// homeEvery is the least time between two views of one person's App Home.
	homeEvery = 3 * time.Second
	// homesMax is for how many people, beyond those who are asked, the App Home is
	// kept up to date; for the others it is when they open it.
	homesMax = 300
	// startedAtOnce is how many of the newest incidents may have no declaration yet.
	startedAtOnce = 5
	// askedMax is how many questions an App Home shows; the channel has them all.
	askedMax = 5
	// partMax is how many characters and blocks each part of an App Home may have:
	// Slack takes 100 blocks.
	partMax, partBlocks = 2000, 6
)

// homes keep the App Home of those people up to date who are asked something, and
// of those who have opened it in this process. Like the marks they have a goroutine
// of their own, and nothing waits for them.
//
// A view is published without the hash of the one before. The hash would keep one
// of two publishers from overwriting the other's view unseen; but each view is made
// whole from the record, one replica publishes, and of two views the later is the
// truer. A refused one would only have to be published again.
type homes struct {
	b      *Face
	wakeUp wakeUp

	mu     sync.Mutex
	opened map[string]bool
	due    map[string]bool // to be looked at whoever carries the run out

	// Of the goroutine alone.
	ownership ownership
	shown     map[string]shownHome
	helped    map[string]helped
	fails     int
	later     time.Time
}

// shownHome is what somebody's App Home shows.
type shownHome struct {
	looks string
	drawn time.Time // the moment that it shows
	at    time.Time // when it was published
}

// helped is what a person was told that they may do, and when that holds.
type helped struct{ when, text string }

func newHomes(b *Face) *homes {
	return &homes{
		b: b, wakeUp: wakeUp{clock: b.clock}, ownership: ownership{b: b}, opened: map[string]bool{}, due: map[string]bool{},
		shown: map[string]shownHome{}, helped: map[string]helped{},
	}
}

// open is for somebody who has opened the App Home.
func (h *homes) open(person string) {
	if person == "" {
		return
	}
	h.b.on(featureHome) // there is one, or it could not be opened
	h.mu.Lock()
	if len(h.opened) < homesMax {
		h.opened[person] = true
	}
	h.due[person] = true
	h.mu.Unlock()
	h.wakeUp.signal()
}

// openHome shows somebody their App Home, or why they have none.
func (b *Face) openHome(ctx context.Context, person string) {
	why := b.people.refuses(ctx, person, false)
	if why.Empty() {
		b.homes.open(person)
		return
	}
	b.log.Info().Str("person", short40(person)).Msg("an App Home is not shown to this person")
	err := b.client.publish(asTurn(ctx, turn{rank: rankRemark, person: person}), person, paragraphs(prefix(b.opt.Rehearsal)+b.face.render(why), partMax, partBlocks))
	if err != nil && !b.off(featureHome) {
		b.log.Debug().Err(err).Msg("an App Home could not say why it is empty")
	}
}

// stir looks at the App Home of somebody who did something, if they have it open.
func (h *homes) stir(person string) {
	h.mu.Lock()
	known := h.opened[person]
	if known {
		h.due[person] = true
	}
	h.mu.Unlock()
	if known {
		h.wakeUp.signal()
	}
}

func (h *homes) run(ctx context.Context) {
	for ctx.Err() == nil {
		stand, wait, err := h.pass(ctx)
		if err != nil {
			h.fails++
			wait = min(slowest, time.Second<<min(h.fails-1, 5))
			h.later = h.b.clock.Now().Add(wait)
			h.b.log.Debug().Err(err).Dur("again_in", wait).Msg("an App Home does not show the newest state")
			_ = h.wakeUp.sleep(ctx, wait, nil)
			continue
		}
		h.fails = 0
		if !stand.open {
			_ = h.wakeUp.sleep(ctx, wait, nil)
			continue
		}
		err = h.wakeUp.sleep(ctx, wait, func(ctx context.Context) error { return h.b.opt.Book.Log().Wait(ctx, stand.id, stand.seq) })
		if err != nil {
			_ = h.b.clock.Sleep(ctx, time.Second)
		}
	}
}

// standing is how things stand, for everybody.
type standing struct {
	id     incident.ID // the newest incident; empty if there was none
	seq    uint64
	phase  string
	open   bool
	ours   bool
	coming bool     // a newer one has no declaration yet
	lost   bool     // the record cannot be read
	asked  []string // who was ever asked something in this incident
	now    []string // who is asked something
}

func (h *homes) stand(ctx context.Context) standing {
	var st standing
	ids, err := h.b.opt.Book.Log().Incidents(ctx, startedAtOnce)
	for _, id := range slices.Backward(ids) {
		if err != nil || st.id != "" {
			break
		}
		err = h.b.opt.Book.View(ctx, id, func(s *incident.State) {
			if s.DeclaredAt.IsZero() && !s.Gone() {
				st.coming = true // it is being started at this moment
				return
			}
			if h.ownership.id != id {
				h.ownership = ownership{b: h.b, id: id}
			}
			h.standing(s, &st)
		})
	}
	st.lost = err != nil
	return st
}

func (h *homes) standing(s *incident.State, st *standing) {
	v := h.b.viewOf(s)
	st.id, st.seq, st.ours, st.phase, st.open = h.ownership.id, s.Seq, h.ownership.ours(s), s.Phase(), s.ResolvedAt.IsZero()
	for _, q := range s.Questions {
		waits := v.awaits(q)
		st.asked = append(st.asked, waits...)
		if v.Asks(q) {
			st.now = append(st.now, waits...)
		}
	}
	if commander, ok := v.Roster.ByID(v.Declared.Commander); ok && v.resolves(commander) {
		waits := users([]incident.Person{commander})
		st.asked, st.now = append(st.asked, waits...), append(st.now, waits...)
	}
}

// pass publishes what is most urgent, one view at most, and says how long nothing
// else has to be.
func (h *homes) pass(ctx context.Context) (st standing, wait time.Duration, err error) {
	now := h.b.clock.Now()
	if wait := h.later.Sub(now); wait > 0 {
		return st, wait, nil
	}
	if h.b.off(featureHome) {
		return st, never, nil
	}
	st = h.stand(ctx)
	wait = never
	soon := func(d time.Duration) { wait = min(wait, max(d, time.Millisecond)) }
	switch {
	case st.lost && len(h.shown) > 0:
		soon(slowest)
	case st.coming, !st.ours && st.id != "":
		soon(lookout) // it may become ours without an event that says so
	}
	people := h.people(st)
	h.forget(people)
	for _, person := range people {
		last, due := h.shown[person], h.isDue(person)
		if left := last.at.Add(homeEvery).Sub(now); left > 0 && !last.at.IsZero() {
			soon(left)
			continue
		}
		// Time alone changes an App Home now and then, or when it is opened.
		aged := due || st.open && now.Sub(last.drawn) >= refreshEvery
		blocks, then, err := h.draw(ctx, person, st, last.drawn)
		if err != nil {
			return st, 0, err
		}
		looks := look(blocks)
		if looks == last.looks || !aged && then == last.looks {
			h.settled(person)
			if looks == last.looks {
				last.drawn = now
				h.shown[person] = last
			}
			if st.open && st.ours {
				soon(last.drawn.Add(refreshEvery).Sub(now))
			}
			continue
		}
		err = h.b.client.publish(ctx, person, blocks)
		if err != nil && passing(err) {
			last.at = h.b.clock.Now() // the others first
			h.shown[person] = last
			return st, 0, err
		}
		if err != nil {
			h.b.logOnce(featureHome, err, "an App Home cannot be published; everything else goes on")
		}
		h.settled(person)
		h.shown[person] = shownHome{looks: looks, drawn: now, at: h.b.clock.Now()}
		return st, 0, nil
	}
	return st, wait, nil
}

// people are those whose App Home may have to be published, the most urgent
// first: who did something, who is asked, who has waited longest.
func (h *homes) people(st standing) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := maps.Clone(h.due)
	for p := range h.opened { // here, so nobody else knows; whoever is asked is seen to by the holder
		if !st.lost && (st.ours || !slices.Contains(st.asked, p)) {
			all[p] = true
		}
	}
	if st.ours && !st.lost {
		for _, p := range st.asked {
			all[p] = true
		}
		for p := range h.shown { // who was asked something before this incident
			if len(all) < homesMax {
				all[p] = true
			}
		}
	}
	rank := func(p string) int {
		switch {
		case h.due[p]:
			return 0
		case slices.Contains(st.now, p):
			return 1
		}
		return 2
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(rank(a)-rank(b), h.shown[a].at.Compare(h.shown[b].at), strings.Compare(a, b))
	})
}

// forget keeps what is known of App Homes to a bound. Whoever is forgotten is seen to
// when they open it again; those who are looked at now stay.
func (h *homes) forget(but []string) {
	if len(h.shown)+len(h.helped) <= 4*homesMax {
		return
	}
	maps.DeleteFunc(h.shown, func(p string, _ shownHome) bool { return !slices.Contains(but, p) })
	maps.DeleteFunc(h.helped, func(p string, _ helped) bool { return !slices.Contains(but, p) })
}

func (h *homes) isDue(person string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.due[person]
}

func (h *homes) settled(person string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.due, person)
}

// draw makes a person's view as of now, and how the same would have looked then.
func (h *homes) draw(ctx context.Context, person string, st standing, then time.Time) (blocks []slack.Block, before string, err error) {
	b := h.b
	p, listed := b.rostered(person)
	var help string
	if !st.lost && (!st.open || !listed) {
		help = h.help(ctx, person, st)
	}
	if st.lost {
		blocks = b.home([]homePart{{homeView: homeView{Lost: true, Help: help}}}, b.opt.Rehearsal)
		return blocks, look(blocks), nil
	}
	now := b.clock.Now()
	var ready, readyThen []homePart
	err = b.opt.Book.View(ctx, incident.PlatformLog, func(s *incident.State) {
		ready, readyThen = b.readinessPart(s.Platform, now, listed), b.readinessPart(s.Platform, then, listed)
	})
	if err == nil && st.id == "" {
		none := []homePart{{homeView: homeView{Never: true, Help: help}}}
		blocks = b.home(slices.Concat(none, ready), b.opt.Rehearsal)
		return blocks, look(b.home(slices.Concat(none, readyThen), b.opt.Rehearsal)), nil
	}
	if err == nil {
		err = b.opt.Book.View(ctx, st.id, func(s *incident.State) {
			v := b.viewOf(s)
			v.Now = now
			blocks = b.home(append(v.home(p, listed, b.opt.Channel, help), ready...), v.practice)
			v.Now = then
			before = look(b.home(append(v.home(p, listed, b.opt.Channel, help), readyThen...), v.practice))
		})
	}
	if err != nil {
		return nil, "", fmt.Errorf("draw an App Home: %w", err)
	}
	return blocks, before, nil
}

// look tells whether two views look the same.
func look(blocks []slack.Block) string { return message{blocks: blocks}.sum() }

// rostered finds a person on the roster. Listed there twice is listed nowhere, as
// for commands.
func (b *Face) rostered(user string) (p incident.Person, listed bool) {
	p, known := b.opt.Roster.Of(bySlack(user))
	return p, known && len(p.Roles) > 0
}

// help is what that person may type now, in the words of commands. Asking them
// keeps the App Home from promising what they refuse.
func (h *homes) help(ctx context.Context, person string, st standing) string {
	when := fmt.Sprintf("%s %s %t", st.id, st.phase, st.open)
	if had, ok := h.helped[person]; ok && had.when == when {
		return had.text
	}
	a := h.b.do(ctx, commands.Ask{Via: bySlack(person), Verb: "help", Request: "home/" + person})
	text := may(h.b.face.render(a.Text))
	if !a.Refused {
		h.helped[person] = helped{when, text}
	}
	return text
}

// may is the part of a help that a person can use now: what comes before the
// other verbs, without what takes a role that they do not have, and the last line,
// which says what they are.
func may(help string) string {
	first, rest, found := strings.Cut(help, "\n*Also*")
	if !found {
		return help
	}
	_, lines, _ := strings.Cut(first, "\n")
	var out []string
	for line := range strings.SplitSeq(lines, "\n") {
		if line != "" && !strings.Contains(line, " (takes ") {
			out = append(out, line)
		}
	}
	if len(out) > 0 {
		out = append([]string{"*You can type*"}, out...)
	}
	return strings.Join(append(out, rest[strings.LastIndexByte(rest, '\n')+1:]), "\n")
}

// homeView is one part of an App Home: one of its fields is set, and Help maybe.
type homeView struct {
	Asked    *homeAsked
	Nothing  bool
	Halted   bool      // how to go on is to be decided, for the record has lost events
	Close    *cardView // it is over, and this person's to resolve
	More     int       // questions that are not shown
	Channel  string
	Incident *cardView
	Last     *cardView
	Ended    string // when the last one did
	Never    bool   // there was no incident yet
	Lost     bool   // the record cannot be read
	Help     string

	Readiness *readinessView // the newest assessment
}

type homeAsked struct {
	questionView
	Kind string
	What []string // effects, a line each
}

type homePart struct {
	homeView
	rows []slack.Block
}

// waitsFor says whether a question waits, or waited, for that person, and whether
// only by break-glass.
func (v incidentView) waitsFor(p incident.Person, q *incident.Question) (waits, glass bool) {
	waits = slices.ContainsFunc(v.Answerers(q), func(one incident.Person) bool { return one.ID == p.ID })
	return waits, v.GlassOnly(p, q)
}

// awaits are the Slack ids of those for whom a question waits.
func (v incidentView) awaits(q *incident.Question) []string {
	var out []incident.Person
	for _, p := range v.Roster {
		if waits, _ := v.waitsFor(p, q); waits {
			out = append(out, p)
		}
	}
	return users(out)
}

// resolves says that the run is over and that person is waited for to say that the
// incident is.
func (v incidentView) resolves(p incident.Person) bool {
	return p.ID == v.Declared.Commander && v.Ends()
}

// home is what somebody's App Home shows: first what waits for them.
func (v incidentView) home(p incident.Person, listed bool, channel, help string) []homePart {
	if !v.ResolvedAt.IsZero() {
		c := v.card()
		return []homePart{{homeView: homeView{Nothing: true, Last: &c, Ended: dayTime(v.ResolvedAt), Help: help}}}
	}
	channel = "<#" + escape(channel) + ">"
	var parts []homePart
	more := 0
	for _, q := range v.OpenQuestions() {
		waits, glass := v.waitsFor(p, q)
		switch {
		case !waits || !listed:
			continue
		case len(parts) == askedMax:
			more++
			continue
		}
		choices := v.choices(q)
		if glass {
			choices = slices.DeleteFunc(choices, func(b commands.Button) bool { return b.Verb != "break_glass" })
		}
		a := &homeAsked{questionView: v.question(q), Kind: string(q.Kind)}
		for i, e := range q.Effects {
			if i == 2 {
				a.What = append(a.What, fmt.Sprintf("and %d more", len(q.Effects)-i))
				break
			}
			a.What = append(a.What, lineOf(e.What, 240))
		}
		if len(q.Effects) > 0 && a.Effects[0].Lost != "" {
			a.Effects[0].Lost = lineOf(q.Effects[0].Lost, 240)
		}
		parts = append(parts, homePart{homeView: homeView{Asked: a, Channel: channel}, rows: row("question/"+q.Question, choices...)})
	}
	c := v.card()
	if v.resolves(p) {
		parts = append(parts, homePart{homeView: homeView{Close: &c, Channel: channel}, rows: row("close", v.controls()[:1]...)})
	}
	switch {
	case more > 0:
		parts = append(parts, homePart{homeView: homeView{More: more, Channel: channel}})
	case v.Diverged != nil:
		parts = append(parts, homePart{homeView: homeView{Halted: true, Channel: channel}})
	case len(parts) == 0:
		parts = append(parts, homePart{homeView: homeView{Nothing: true}})
	}
	c.Asking, c.Unshown = nil, 0
	for _, q := range v.OpenQuestions() {
		if waits, _ := v.waitsFor(p, q); !waits || !listed {
			c.Asking = append(c.Asking, asking{Title: v.about(q), Who: either(v.may(q)), Since: clockTime(q.AskedAt)})
		}
	}
	c.Asking = c.Asking[:min(len(c.Asking), askedMax)]
	now := homePart{homeView: homeView{Incident: &c, Channel: channel, Help: help}}
	if listed {
		controls := v.controls()
		if v.resolves(p) {
			controls = controls[1:] // the first is above
		}
		now.rows = row("run", slices.DeleteFunc(slices.Clone(controls), func(b commands.Button) bool {
			lead := slices.Contains(p.Roles, commands.Commander) || slices.Contains(p.Roles, commands.Approver)
			return !lead && slices.Contains([]string{"abort", "resume", "resolve"}, b.Verb) // it would be refused
		})...)
	}
	return append(parts, now)
}

// home makes the blocks of a view.
func (b *Face) home(parts []homePart, rehearsal bool) []slack.Block {
	var out []slack.Block
	for i, p := range parts {
		text := b.words.say("home", p.homeView)
		if i == 0 {
			text = prefix(rehearsal) + strings.TrimSpace(text)
		} else {
			out = append(out, slack.NewDividerBlock())
		}
		out = append(out, paragraphs(text, partMax, partBlocks)...)
		out = append(out, p.rows...)
	}
	return out
}

// publish shows a view as somebody's App Home.
func (c *Client) publish(ctx context.Context, person string, blocks []slack.Block) error {
	err := c.call(ctx, "views.publish", "", func(ctx context.Context) error {
		_, err := c.api.PublishViewContext(ctx, slack.PublishViewContextRequest{
			UserID: person, View: slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: blocks}},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("publish the App Home of %s: %w", person, err)
	}
	return nil
}
