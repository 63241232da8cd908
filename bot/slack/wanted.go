package slack

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
)

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
		if f.posted[keyCard] == "" { // what is edited later notifies nobody
			v.mentions = mention(b.opt.OnCallGroup)
		}
		m := b.cardMessage(v)
		if kept {
			m.meta[metaTopic] = before
		}
		return m
	}

	for _, a := range v.Taken.Awaited { // the card says that it is waited for, until it is not
		if left := a.From.Sub(v.Now); left > 0 {
			soon(left + time.Second)
		}
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

	if f.next.IsZero() && !o.resolved { // the card is the first that is said
		f.next = v.DeclaredAt.Add(b.opt.UpdateEvery)
	}
	if again := v.Impact().ByUsEnd; !again.IsZero() && v.MitigatedAt.IsZero() && v.ordersTaken().IsZero() {
		soon(again.Add(settled).Sub(v.Now))
	}
	apart := f.updateAt.Add(updateApart).Sub(v.Now)
	if n := v.passed(); o.resolved && b.opt.Review != nil && !s.Gone() {
		// The review's message is the last that is said.
		for _, key := range slices.Sorted(maps.Keys(f.updates)) {
			o.jobs = append(o.jobs, f.updates[key].above(below{}))
		}
	} else if n > f.phases && v.under() && apart > 0 {
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
	if !s.Gone() {
		f.asksHere(v, o)
	}
	f.questions(v, o)
	if o.resolved && !s.Gone() && (f.posted[keyReview] == "" || f.posted[keyFile] == "") && b.opt.Review != nil {
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
		b.rows = append(b.rows, row(blockBelow+"run", commands.Button{Verb: "abort", Label: "Abort …", On: string(v.Name), Incident: v.ID, Style: "danger"})...)
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
			what := v.plan.title(id)
			if i := slices.IndexFunc(r.Awaited, func(a incident.CallAwaited) bool { return a.Step == id }); i >= 0 {
				what += ", asked for at " + clockTime(r.Awaited[i].Asked) + ": from " + clockTime(r.Awaited[i].From)
			}
			looking = append(looking, what)
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
	f.sourceLost(v, add)
	if back, ok := f.goneBack(v); ok && !o.resolved {
		add(back)
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

// sourceLost says once of each loss that the Region that is left does not answer, while
// there is a run that it matters to.
func (f *follower) sourceLost(v incidentView, add func(post)) {
	at := v.SourceLost()
	if at.IsZero() || v.Over() || !v.MitigatedAt.IsZero() {
		return
	}
	what := ""
	for _, s := range v.Showing(incident.SourceAnswers) {
		if o := v.Step(s.ID).Observed; o != nil {
			what = lineOf(o.Summary, 400)
		}
	}
	key := keyLost + strconv.FormatInt(at.UnixMilli(), 10)
	add(post{key: key, m: f.b.noticeMessage(v, key, "notice", "lost", map[string]any{
		"Source": lineOf(v.Source, 40), "Since": clockTime(at), "What": what, "Switch": v.OffersSwitch(), "Who": either(v.named(commands.Commander)),
	}, v.switches()...)})
}

func (f *follower) questions(v incidentView, o *outlook) {
	asked := make([]*incident.Question, 0, len(v.Questions))
	for _, run := range v.Runs { // a run that has ended may still have to show how its questions did
		for _, q := range run.Questions {
			asked = append(asked, q)
		}
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
		v := f.b.ofRun(v, q.Run)
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
