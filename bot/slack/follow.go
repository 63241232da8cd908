package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
)

// Keys of what is said.
const (
	keyCard       = "card"
	keyQuestion   = "question/"
	keyUpdate     = "update/"
	keyThread     = "thread/"
	keyBack       = "back/"
	keyBreakGlass = "break-glass/"
	keyVolatile   = "volatile"
	keyDiverged   = "diverged/"
	keyReview     = "review"
	keyFile       = "review-file"
)

// ReviewFile is the key under which it is remembered where the uploaded review draft
// is: the last thing that is said about an incident.
const ReviewFile = keyFile

// blockBelow begins the block ids of the buttons below an update.
const blockBelow = "below/"

const (
	// replaceEvery is the least time between two states of the card, and between
	// two batches in its thread.
	replaceEvery = 2 * time.Second
	// refreshEvery keeps the durations on the card true while nothing happens.
	refreshEvery = 30 * time.Second
	// updateApart is the least time between two updates while the run goes on:
	// steps that end within it are told together.
	updateApart = 10 * time.Second
	// slowApart is the least time between an update and one that only says what
	// takes longer than usual: what becomes slow within it is told together.
	slowApart = 2 * time.Minute
	// orphan is how long a finished incident that nobody carries has to be left
	// alone before this replica says what is missing.
	orphan = 10 * time.Second
	// slowest is how long the follower waits at most before it tries Slack again.
	slowest = 30 * time.Second
)

// follower makes Slack show one incident. All it knows can be worked out again
// from the timeline and the channel.
type follower struct {
	b   *Face
	id  incident.ID
	log zerolog.Logger

	ownership   ownership
	pinAndTopic *pinAndTopic
	wakeUp      wakeUp

	// What is in the channel.
	begun    bool
	searched bool // the channel was searched since something may have been posted unseen
	posted   map[string]string
	rendered map[string]string
	refused  map[string]bool // refused for good
	unlogged map[string]post
	files    map[string]bool

	// What is still to be shown.
	read     uint64
	lines    []detail
	dirty    bool
	cardAt   time.Time
	threadAt time.Time
	phases   int // the update that was last posted: update/<phases>.<again>
	again    int
	next     time.Time
	updateAt time.Time       // when that was, in this process
	updates  map[string]post // those that have buttons
	newest   string          // of all, by timestamp: the only one that should
	newestTS string
	uploads  int
	fails    int
}

// post is one thing to be said or shown again.
type post struct {
	key    string
	m      message
	thread bool
	next   time.Time
	ts     string
	as     string // of a question: how it looks

	// Of an update: the same without buttons, the buttons below it, and whether only
	// they change.
	bare  *message
	below string
	over  bool
}

func newFollower(b *Face, id incident.ID) *follower {
	f := &follower{
		b: b, id: id, log: b.log.With().Str("incident", string(id)).Logger(),
		ownership: ownership{b: b, id: id}, wakeUp: wakeUp{clock: b.clock},
	}
	f.pinAndTopic = newMarks(b, id, f.log, f.wakeUp.signal)
	return f
}

var errDue = errors.New("something is due")

// run follows until the incident is resolved and all is said, or ctx ends.
func (f *follower) run(ctx context.Context) {
	beside, stop := context.WithCancel(ctx)
	marked := make(chan struct{})
	f.b.spawn(f.b.clock.Busy(), func() {
		defer close(marked)
		f.pinAndTopic.run(beside)
	})
	done := false
	defer func() {
		if !done {
			stop()
		}
		resume := f.b.clock.Idle()
		<-marked
		resume()
		stop()
	}()
	f.follow(ctx)
	done = true
}

func (f *follower) follow(ctx context.Context) {
	for ctx.Err() == nil {
		seq, wait, done, err := f.pass(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case done:
			f.log.Debug().Msg("all is said")
			f.finish(ctx)
			return
		case err != nil:
			// Slack, or the record, is out of reach. The run goes on without us.
			f.fails++
			wait = min(slowest, time.Second<<min(f.fails-1, 5))
			f.log.Warn().Err(err).Dur("again_in", wait).Msg("the channel does not show the newest state")
			if f.b.clock.Sleep(ctx, wait) != nil {
				return
			}
			continue
		}
		f.fails = 0
		f.wait(ctx, seq, wait)
	}
}

// wait returns when there are events after seq, or when wait is over.
func (f *follower) wait(ctx context.Context, seq uint64, wait time.Duration) {
	err := f.wakeUp.sleep(ctx, wait, func(ctx context.Context) error { return f.b.opt.Book.Log().Wait(ctx, f.id, seq) })
	if err != nil {
		f.log.Debug().Err(err).Msg("the record cannot be waited for")
		_ = f.b.clock.Sleep(ctx, time.Second)
	}
}

// outlook is what one look at the State says is to be done.
type outlook struct {
	seq      uint64
	declared bool
	ours     bool
	resolved bool
	jobs     []post
	review   *reviewView
	practice bool
	wait     time.Duration
	head     string // of the topic
	topic    string
}

// pass does what is to be done now, and says how long nothing else is.
func (f *follower) pass(ctx context.Context) (seq uint64, wait time.Duration, done bool, err error) {
	var o outlook
	err = f.b.opt.Book.View(ctx, f.id, func(s *incident.State) {
		o.seq, o.declared, o.resolved = s.Seq, !s.DeclaredAt.IsZero(), !s.ResolvedAt.IsZero()
		o.ours = f.ownership.ours(s)
	})
	switch {
	case err != nil:
		return 0, 0, false, err
	case !o.declared:
		return o.seq, lookout, false, nil
	case !o.ours:
		f.begun = false
		f.pinAndTopic.wish(desired{})
		return o.seq, lookout, f.saidByOthers(ctx), nil
	}
	if !f.begun {
		if err := f.begin(ctx); err != nil {
			return 0, 0, false, err
		}
	}
	if err := f.catchUp(ctx); err != nil {
		return 0, 0, false, err
	}
	if err := f.b.opt.Book.View(ctx, f.id, func(s *incident.State) { f.look(s, &o) }); err != nil {
		return 0, 0, false, err
	}
	if err := f.recordAll(ctx); err != nil {
		return 0, 0, false, err
	}
	for _, j := range o.jobs {
		if err := f.say(ctx, j); err != nil {
			return 0, 0, false, err
		}
		f.said(j)
	}
	if err := f.details(ctx, &o); err != nil {
		return 0, 0, false, err
	}
	f.pinAndTopic.wish(desired{ours: true, card: f.posted[keyCard], head: o.head, topic: o.topic})
	if o.review != nil && !f.dirty && len(f.lines) == 0 {
		if err := f.review(ctx, o); err != nil {
			return 0, 0, false, err
		}
	}
	return o.seq, o.wait, o.resolved && f.complete(), nil
}

// longOver is after what time nobody looks any more whether the pin and topic of a resolved
// incident were taken away: what is pinned there later a person has pinned.
const longOver = time.Hour

// finish takes the pin and topic away. It does so too for an incident about which another
// replica said the last word, in case that one died right after it; but leaves it
// the time to do so itself.
func (f *follower) finish(ctx context.Context) {
	if !f.begun && f.b.clock.Sleep(ctx, orphan) != nil {
		return
	}
	for {
		w := desired{ours: true, last: true}
		places, err := f.b.opt.Book.Log().Remembered(ctx, f.id)
		if err == nil {
			err = f.b.opt.Book.View(ctx, f.id, func(s *incident.State) {
				w.card, w.head = places[keyCard].TS, f.b.viewOf(s).topicHead()
				if !s.ResolvedAt.IsZero() && f.b.clock.Now().Sub(s.ResolvedAt) > longOver && !f.begun {
					w.card = ""
				}
			})
		}
		if err == nil {
			f.pinAndTopic.wish(w)
			return
		}
		f.log.Debug().Err(err).Msg("the record cannot be read, so the pin and the topic stay as they are")
		if f.b.clock.Sleep(ctx, slowest) != nil {
			return
		}
	}
}

// saidByOthers says that another replica has said the last there is to say.
func (f *follower) saidByOthers(ctx context.Context) (said bool) {
	places, err := f.b.opt.Book.Log().Remembered(ctx, f.id)
	if err != nil {
		return false
	}
	_, said = places[keyFile]
	return said
}

// begin finds out what was said in an earlier process, by this replica or another.
func (f *follower) begin(ctx context.Context) error {
	f.posted, f.rendered, f.refused = map[string]string{}, map[string]string{}, map[string]bool{}
	f.unlogged, f.files = map[string]post{}, map[string]bool{}
	f.read, f.lines, f.phases, f.again, f.next = 0, nil, 0, 0, time.Time{}
	f.dirty, f.searched, f.uploads, f.updateAt = true, false, 0, time.Time{}
	f.updates, f.newest, f.newestTS = map[string]post{}, "", ""
	f.pinAndTopic.forget()
	places, err := f.b.opt.Book.Log().Remembered(ctx, f.id)
	if err != nil {
		return err
	}
	for key, p := range places {
		f.posted[key] = p.TS
		f.learn(key, p.Next)
	}
	if err := f.search(ctx); err != nil {
		return err
	}
	f.begun = true
	return nil
}

// learn takes into account that something was said.
func (f *follower) learn(key string, next time.Time) {
	if rest, ok := strings.CutPrefix(key, keyUpdate); ok {
		n, k, _ := strings.Cut(rest, ".")
		phase, _ := strconv.Atoi(n)
		again, _ := strconv.Atoi(k)
		if phase > f.phases || phase == f.phases && again >= f.again {
			f.phases, f.again, f.next = phase, again, next
		}
	}
	if rest, ok := strings.CutPrefix(key, keyThread); ok {
		if seq, err := strconv.ParseUint(rest, 10, 64); err == nil && seq > f.read {
			f.read = seq
			f.lines = slices.DeleteFunc(f.lines, func(d detail) bool { return d.seq <= seq })
		}
	}
}

// said is learn for what has just been said. Only now the card shows the newest
// state, or never will: what breaks off before leaves it to be shown.
func (f *follower) said(j post) {
	switch {
	case j.key == keyCard:
		f.dirty, f.cardAt = false, f.b.clock.Now()
	case strings.HasPrefix(j.key, keyUpdate) && !j.over:
		f.updateAt = f.b.clock.Now()
	}
	if (f.posted[j.key] != "" || f.refused[j.key]) && !j.over {
		f.learn(j.key, j.next)
	}
}

// search looks in the channel, and in the card's thread, for what was posted and
// not written down. It is done once in a process, and again after a post whose
// answer was lost.
func (f *follower) search(ctx context.Context) error {
	var since time.Time
	if err := f.b.opt.Book.View(ctx, f.id, func(s *incident.State) { since = s.DeclaredAt }); err != nil {
		return err
	}
	oldest := fmt.Sprintf("%d.000000", since.Add(-time.Minute).Unix())
	err := f.pages(ctx, "conversations.history", func(ctx context.Context, cursor string) ([]slack.Message, string, error) {
		r, err := f.b.client.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
			ChannelID: f.b.opt.Channel, Oldest: oldest, Limit: 200, Cursor: cursor, IncludeAllMetadata: true,
		})
		if err != nil {
			return nil, "", err
		}
		return r.Messages, r.ResponseMetaData.NextCursor, nil
	})
	if card := f.posted[keyCard]; err == nil && card != "" {
		err = f.pages(ctx, "conversations.replies", func(ctx context.Context, cursor string) ([]slack.Message, string, error) {
			m, _, next, err := f.b.client.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
				ChannelID: f.b.opt.Channel, Timestamp: card, Limit: 200, Cursor: cursor, IncludeAllMetadata: true,
			})
			return m, next, err
		})
	}
	switch {
	case err == nil:
	case barred(err) || refused(err) || code(err) == "thread_not_found":
		f.log.Error().Err(err).Msg("the channel cannot be searched for what was said already, so after a crash something may be said twice")
	default:
		return fmt.Errorf("search the channel for what was said already: %w", err)
	}
	f.searched = true
	return nil
}

func (f *follower) pages(ctx context.Context, method string, get func(context.Context, string) ([]slack.Message, string, error)) error {
	cursor := ""
	for range 10 {
		var found []slack.Message
		err := f.b.client.call(ctx, method, "", func(ctx context.Context) (err error) {
			found, cursor, err = get(ctx, cursor)
			return err
		})
		if err != nil {
			return err
		}
		for _, m := range found {
			f.find(m)
		}
		if cursor == "" {
			return nil
		}
	}
	return nil
}

// find takes a message of the channel into account.
func (f *follower) find(m slack.Message) {
	for _, file := range m.Files {
		f.files[file.Name] = true
	}
	p := m.Metadata.EventPayload
	key, _ := p["key"].(string)
	if m.Metadata.EventType != eventType || p["incident"] != string(f.id) || key == "" || m.User != f.b.client.User {
		return
	}
	if topic, ok := p[metaTopic].(string); ok && key == keyCard && (f.posted[key] == "" || f.posted[key] == m.Timestamp) {
		f.pinAndTopic.found(topic)
	}
	if j := inChannel(key, m); j.bare != nil {
		if _, ours := f.updates[key]; !ours && j.below != "" {
			f.updates[key] = j
		}
		f.stands(key, m.Timestamp)
	}
	if f.posted[key] != "" {
		return
	}
	f.posted[key] = m.Timestamp
	j := post{key: key, ts: m.Timestamp}
	if strings.HasPrefix(key, keyUpdate) {
		j.next = posted(m.Timestamp).Add(f.b.opt.UpdateEvery)
	}
	f.unlogged[key] = j
	f.learn(key, j.next)
}

// inChannel is an update as it stands in the channel.
func inChannel(key string, m slack.Message) post {
	if !strings.HasPrefix(key, keyUpdate) {
		return post{}
	}
	bare := message{text: m.Text, meta: maps.Clone(m.Metadata.EventPayload)}
	delete(bare.meta, metaWaits)
	delete(bare.meta, metaAsks)
	var has below
	for _, b := range m.Blocks.BlockSet {
		if a, ok := b.(*slack.ActionBlock); ok && strings.HasPrefix(a.BlockID, blockBelow) {
			has.rows = append(has.rows, b)
		} else {
			bare.blocks = append(bare.blocks, b)
		}
	}
	return post{key: key, bare: &bare, below: has.looks()}
}

// posted is when a message was posted, by its timestamp.
func posted(ts string) time.Time {
	s, _, _ := strings.Cut(ts, ".")
	sec, _ := strconv.ParseInt(s, 10, 64)
	return time.Unix(sec, 0).UTC()
}

// catchUp reads what is new for the thread, and whether the card has changed.
func (f *follower) catchUp(ctx context.Context) error {
	const batch = 1000
	for {
		events, err := f.b.opt.Book.Log().Read(ctx, f.id, f.read, batch)
		if err != nil {
			return fmt.Errorf("read the timeline of %s: %w", f.id, err)
		}
		for _, e := range events {
			f.read = e.Seq
			f.dirty = true
			if d, ok := detailOf(e, f.b.opt.Roster); ok {
				f.lines = append(f.lines, d)
			}
		}
		if len(events) < batch {
			return nil
		}
	}
}

// look decides what is to be said. The order is the order in the channel: what
// waits for somebody comes last, so it stands at the bottom.
func (f *follower) look(s *incident.State, o *outlook) {
	b := f.b
	v := b.viewOf(s)
	o.seq, o.resolved, o.wait, o.practice = s.Seq, !s.ResolvedAt.IsZero(), refreshEvery, v.practice
	soon := func(d time.Duration) { o.wait = min(o.wait, max(d, time.Millisecond)) }

	o.head, o.topic = v.topicHead(), v.topic()
	before, kept, carried := f.pinAndTopic.keeps()
	f.dirty = f.dirty || kept && !carried
	card := func() message {
		m := b.cardMessage(v)
		if kept {
			m.meta[metaTopic] = before
		}
		return m
	}

	due := f.cardAt.Add(replaceEvery).Sub(v.Now)
	hurt := v.MitigatedAt.IsZero() && v.ResolvedAt.IsZero()
	stale := hurt && v.Now.Sub(f.cardAt) >= refreshEvery
	switch {
	case f.posted[keyCard] == "" || (f.dirty || stale) && due <= 0:
		o.jobs = append(o.jobs, post{key: keyCard, m: card()})
	case f.dirty:
		soon(due)
	}

	apart := f.updateAt.Add(updateApart).Sub(v.Now)
	if n := v.passed(); n > f.phases && v.Phase() == "running" && apart > 0 {
		soon(apart)
	} else if n > f.phases {
		f.update(v, o, keyUpdate+strconv.Itoa(n))
	} else if !f.next.IsZero() && !o.resolved {
		if wait := f.due(v).Sub(v.Now); wait > 0 {
			soon(wait)
		} else {
			f.update(v, o, fmt.Sprintf("%s%d.%d", keyUpdate, f.phases, f.again+1))
		}
	}
	if !slices.ContainsFunc(o.jobs, func(j post) bool { return j.bare != nil }) {
		f.buttons(v, o)
	}
	f.notices(v, o)
	f.questions(v, o)
	if o.resolved && (f.posted[keyReview] == "" || f.posted[keyFile] == "") && b.opt.Review != nil {
		r := v.review()
		o.review = &r
	}
}

// due is when the next update is, if nothing ends before: at the time that the last
// one named, or as soon as a step takes longer than usual, of which that one could
// not speak.
func (f *follower) due(v incidentView) time.Time {
	due, last := f.next, f.next.Add(-f.b.opt.UpdateEvery)
	if v.Ends() {
		return due
	}
	for _, s := range v.plan.steps {
		// A second later: the timestamps of an earlier process's messages have no fractions.
		if at := v.SlowAt(*s); at.After(last) && at.Add(time.Second).Before(due) {
			due = at.Add(time.Second)
		}
	}
	if apart := last.Add(slowApart); due.Before(apart) && apart.Before(f.next) {
		due = apart
	}
	return due
}

func (f *follower) update(v incidentView, o *outlook, key string) {
	next := v.Now.Add(f.b.opt.UpdateEvery)
	if o.resolved {
		next = time.Time{}
	} else {
		o.wait = min(o.wait, f.b.opt.UpdateEvery)
	}
	for _, old := range slices.Sorted(maps.Keys(f.updates)) {
		if old != key {
			o.jobs = append(o.jobs, f.updates[old].above(below{}))
		}
	}
	bare := f.b.updateMessage(v, key, next)
	j := post{key: key, bare: &bare, next: next}.above(f.asked(v))
	j.over = false
	o.jobs = append(o.jobs, j)
}

// buttons keeps those below the newest update to what can be answered.
func (f *follower) buttons(v incidentView, o *outlook) {
	asked := f.asked(v)
	// What was asked after an update without buttons stands below it anyway.
	for _, key := range slices.Sorted(maps.Keys(f.updates)) {
		j, wants := f.updates[key], below{}
		if key == f.newest {
			wants = asked
		}
		if j.below != wants.looks() {
			o.jobs = append(o.jobs, j.above(wants))
		}
	}
}

// stands takes an update into account that is in the channel since ts.
func (f *follower) stands(key, ts string) {
	if ts > f.newestTS {
		f.newest, f.newestTS = key, ts
	}
}

// below is what stands below an update, so that nobody scrolls for a button.
type below struct {
	rows  []slack.Block
	waits []string // for whom, if no message of its own says so
	asks  string
}

func (b below) looks() string {
	if len(b.rows) == 0 {
		return ""
	}
	data, err := json.Marshal(b.rows)
	if err != nil {
		return err.Error() // never: they are ours
	}
	return string(data)
}

// above is the update with that below it.
func (j post) above(b below) post {
	j.m, j.below, j.over = j.bare.with(b.rows), b.looks(), true
	if len(b.waits) > 0 {
		j.m.meta = maps.Clone(j.m.meta)
		j.m.meta[metaWaits], j.m.meta[metaAsks] = b.waits, b.asks
	}
	return j
}

// asked is what can be answered now: the questions that are in the channel already,
// and at the end of a run, that the incident is resolved.
func (f *follower) asked(v incidentView) (b below) {
	if v.Ends() {
		return below{
			rows:  row(blockBelow+"end", v.controls()[0]),
			waits: v.commander(), asks: line(v.ID.Name()) + " is to be resolved",
		}
	}
	open := v.OpenQuestions()
	several := false
	for _, q := range open[:min(len(open), questionsOnCard)] {
		if f.posted[keyQuestion+q.Question] != "" {
			b.rows = append(b.rows, row(blockBelow+q.Question, v.among(q, open)...)...)
			several = several || q.Kind == incident.AskFailed && len(open) > 1
		}
	}
	if several {
		b.rows = append(b.rows, row(blockBelow+"run", commands.Button{Verb: "abort", Label: "Abort …", Incident: v.ID, Style: "danger"})...)
	}
	return b
}

func (f *follower) notices(v incidentView, o *outlook) {
	add := func(j post) {
		if f.posted[j.key] == "" && !f.refused[j.key] {
			o.jobs = append(o.jobs, j)
		}
	}
	if r := v.Taken; r.Return && !o.resolved {
		key := keyBack + strconv.FormatUint(r.Token, 10)
		var looking []string
		for _, id := range r.Looking[:min(len(r.Looking), 20)] {
			looking = append(looking, v.plan.title(id))
		}
		var waiting []string // for what was asked for before
		for _, s := range v.plan.Steps {
			if s.Kind.Repeats() && v.Step(s.ID).Status == incident.Running && len(waiting) < 5 {
				waiting = append(waiting, v.plan.title(s.ID))
			}
		}
		add(post{key: key, m: f.b.noticeMessage(v, key, "notice", "back", map[string]any{
			"Incident": line(v.ID.Name()), "Looking": looking, "Waiting": waiting,
		})})
	}
	if d := v.Diverged; d != nil {
		key := keyDiverged + strconv.FormatUint(d.Held, 10)
		decide := func(choice, label string) commands.Button {
			return commands.Button{Verb: "repair", Label: label, On: choice, Incident: v.ID, Style: "danger"}
		}
		add(post{key: key, m: f.b.noticeMessage(v, key, "notice", "diverged", map[string]any{
			"Incident": line(v.ID.Name()), "From": d.Common + 1, "To": d.Held, "Kept": len(d.Lost), "Who": either(v.named("commander")),
		}, decide(incident.GoOn, "Go on from what is left …"), decide(incident.Restore, "Put the lost events back …"))})
	}
	if d := v.Durability; d != nil && d.Volatile {
		add(post{key: keyVolatile, thread: true, m: f.b.noticeMessage(v, keyVolatile, "thread", "volatile", map[string]any{
			"Says": lineOf(d.Says, 300), "Server": lineOf(d.Server, 60),
		})})
	}
}

func (f *follower) questions(v incidentView, o *outlook) {
	asked := make([]*incident.Question, 0, len(v.Questions))
	for _, q := range v.Questions {
		asked = append(asked, q)
	}
	slices.SortFunc(asked, func(a, b *incident.Question) int {
		if c := a.AskedAt.Compare(b.AskedAt); c != 0 {
			return c
		}
		return strings.Compare(a.Question, b.Question)
	})
	var last []post
	for _, q := range asked {
		key := keyQuestion + q.Question
		if q.BrokeGlass {
			if glass := keyBreakGlass + q.Question; f.posted[glass] == "" && !f.refused[glass] {
				o.jobs = append(o.jobs, post{key: glass, m: f.b.noticeMessage(v, glass, "notice", "break-glass", map[string]any{
					"By": v.who(q.By), "Title": v.about(q), "At": clockTime(q.At), "Reason": theirs(q.Reason, 500),
					"Tell": strings.Join(v.named("commander"), " "),
				})})
			}
		}
		looks := v.looks(q)
		posted := f.posted[key] != ""
		if f.refused[key] || f.rendered[key+"/as"] == looks || !posted && !v.Asks(q) {
			continue
		}
		j := post{key: key, m: f.b.questionMessage(v, q), as: looks}
		if posted {
			o.jobs = append(o.jobs, j)
		} else {
			last = append(last, j)
		}
	}
	o.jobs = append(o.jobs, last...)
}

// say posts or replaces. A nil error means that nothing more can be done about
// it now: it is there, or it was refused and that is logged.
func (f *follower) say(ctx context.Context, j post) error {
	if f.refused[j.key] {
		return nil
	}
	sum := j.m.sum()
	if ts := f.posted[j.key]; ts != "" {
		if f.rendered[j.key] == sum {
			f.show(j, sum)
			return nil
		}
		err := f.b.client.replace(ctx, f.b.opt.Channel, ts, j.m)
		switch {
		case err == nil:
			f.show(j, sum)
			return nil
		case code(err) == "message_not_found" && j.over:
			delete(f.updates, j.key) // somebody deleted it, and its buttons with it
			return nil
		case code(err) == "message_not_found":
			delete(f.posted, j.key) // somebody deleted it: it is said again
		case refused(err), code(err) == "cant_update_message", code(err) == "edit_window_closed":
			f.giveUp(j, err)
			return nil
		default:
			return err
		}
	}
	if !f.searched {
		if err := f.search(ctx); err != nil {
			return err
		}
		if f.posted[j.key] != "" {
			return f.say(ctx, j)
		}
	}
	thread := ""
	if j.thread {
		thread = f.posted[keyCard]
	}
	ts, err := f.b.client.post(ctx, f.b.opt.Channel, thread, j.m)
	switch {
	case refused(err):
		f.giveUp(j, err)
		return nil
	case err != nil:
		// It may be there all the same, unless Slack itself said no.
		f.searched = f.searched && code(err) != ""
		return err
	}
	f.posted[j.key], j.ts = ts, ts
	f.show(j, sum)
	f.unlogged[j.key] = j
	return f.recordAll(ctx)
}

func (f *follower) show(j post, sum string) {
	f.rendered[j.key] = sum
	if topic, ok := j.m.meta[metaTopic].(string); ok && j.key == keyCard {
		f.pinAndTopic.found(topic)
	}
	if j.as != "" {
		f.rendered[j.key+"/as"] = j.as
	}
	if j.bare == nil {
		return
	}
	delete(f.updates, j.key)
	if j.below != "" {
		f.updates[j.key] = j
	}
	f.stands(j.key, f.posted[j.key])
}

func (f *follower) giveUp(j post, err error) {
	f.refused[j.key] = true
	f.log.Error().Err(err).Str("key", j.key).Msg("Slack does not take this message, not even as plain text")
}

// recordAll keeps where things were said, so that nobody says them again.
func (f *follower) recordAll(ctx context.Context) error {
	for key, j := range f.unlogged {
		p := incident.Place{Channel: f.b.opt.Channel, TS: j.ts, Next: j.next}
		if err := f.b.opt.Book.Log().Remember(ctx, f.id, key, p); err != nil {
			return fmt.Errorf("keep where it was said: %w", err)
		}
		delete(f.unlogged, key)
	}
	return nil
}

// details posts what is new into the card's thread.
func (f *follower) details(ctx context.Context, o *outlook) error {
	if len(f.lines) == 0 || f.posted[keyCard] == "" {
		f.lines = nil
		return nil
	}
	now := f.b.clock.Now()
	if wait := f.threadAt.Add(replaceEvery).Sub(now); wait > 0 && !f.threadAt.IsZero() {
		o.wait = min(o.wait, wait)
		return nil
	}
	var batch []detail
	var m message
	err := f.b.opt.Book.View(ctx, f.id, func(s *incident.State) {
		v := f.b.viewOf(s)
		batch = f.lines[:min(len(f.lines), linesMax)]
		m = f.b.detailMessage(v, batch)
	})
	if err != nil {
		return err
	}
	f.threadAt = now
	last := batch[len(batch)-1].seq
	if err := f.say(ctx, post{key: keyThread + strconv.FormatUint(last, 10), m: m, thread: true}); err != nil {
		return err
	}
	f.lines = slices.DeleteFunc(slices.Clone(f.lines), func(d detail) bool { return d.seq <= last })
	if len(f.lines) > 0 {
		o.wait = min(o.wait, replaceEvery)
	}
	return nil
}

// review posts the draft, and its file below.
func (f *follower) review(ctx context.Context, o outlook) error {
	const attempts = 3
	view := *o.review
	file, err := f.b.opt.Review(ctx, f.id)
	if err == nil && len(file.Content) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		if f.uploads++; f.uploads < attempts {
			return fmt.Errorf("write the review draft: %w", err)
		}
		f.log.Error().Err(err).Msg("the review draft could not be written")
		view.Missing = line(err.Error())
	}
	view.fill(file)
	m := f.b.reviewMessage(f.id, view, o.practice)
	if f.posted[keyReview] == "" {
		if err := f.say(ctx, post{key: keyReview, m: m}); err != nil {
			return err
		}
	}
	if view.Missing != "" || f.refused[keyReview] {
		f.refused[keyFile] = true
		return nil
	}
	if !f.searched {
		if err := f.search(ctx); err != nil {
			return err
		}
	}
	if !f.files[file.Name] {
		f.uploads++
		err := f.b.client.upload(ctx, f.b.opt.Channel, "", file, prefix(o.practice)+"Review draft of "+line(f.id.Name()))
		if err != nil {
			f.searched = false
			if f.uploads < attempts {
				return err
			}
			f.log.Error().Err(err).Msg("the review draft could not be uploaded; /failover review hands it over")
			f.refused[keyFile] = true
			return nil
		}
		f.files[file.Name] = true
	}
	f.posted[keyFile] = f.posted[keyReview]
	f.unlogged[keyFile] = post{key: keyFile, ts: f.posted[keyReview]}
	return f.recordAll(ctx)
}

// complete says that a resolved incident has nothing more to show.
func (f *follower) complete() bool {
	if f.dirty || len(f.lines) > 0 || len(f.unlogged) > 0 {
		return false
	}
	return f.b.opt.Review == nil || f.posted[keyFile] != "" || f.refused[keyFile]
}

// sectionTen are the headings of the source document's review template.
var sectionTen = []string{
	"Incident Summary", "Timeline", "Root Cause Analysis", "What Went Well", "What Could Be Improved", "Action Items", "Metrics",
}

// headings are those of section 10 that a review has, for a glance; what it has
// besides is in the file.
func headings(file commands.File) []string {
	var out []string
	for l := range strings.Lines(string(file.Content)) {
		h := strings.TrimLeft(l, "#")
		if n := len(l) - len(h); n != 2 && n != 3 {
			continue
		}
		if h = strings.TrimSpace(h); slices.Contains(sectionTen, h) && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}
