package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// approve is a yes to a point of no return, by somebody who did not ask for it.
func (c *Commands) approve(ctx context.Context, ask Ask, who Person) Answer {
	return c.consent(ctx, ask, who, false)
}

// breakGlass is a yes by one named person alone, once nobody answered in time.
func (c *Commands) breakGlass(ctx context.Context, ask Ask, who Person) Answer {
	return c.consent(ctx, ask, who, true)
}

// effectsWithin is how long reading the effects again may take. A person waits.
const effectsWithin = 20 * time.Second

// consent records a yes if it is still a yes to the same thing. The world is read
// again first; if what would happen is no longer what the question said, the
// question is withdrawn and asked anew in one piece.
func (c *Commands) consent(ctx context.Context, ask Ask, who Person, glass bool) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	name := "approve"
	if glass {
		name = "break_glass"
	}
	var q incident.Question
	var words string
	var past text.Text
	a = c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
		found, rest, err := c.pick(s, p, ask, incident.AskApprove, name)
		if err != nil {
			return err
		}
		q, words, past = *found, rest, goneWithout(c.look(s))
		if err := c.mayConsent(s, found, who, glass); err != nil || glass || ask.Values != nil {
			return err
		}
		for word := range strings.FieldsSeq(rest) {
			if text.Fold(word) != text.Fold(q.Confirm) && len(strings.Fields(rest)) > 1 {
				return c.noSuchStep(s, p, word, strings.TrimSpace("approve "+q.Confirm))
			}
		}
		return nil
	})
	if a != nil {
		return *a
	}
	asked := ask.Values == nil && words == ""
	if asked && ask.CanForm && (q.Confirm != "" || glass) {
		return Answer{Form: consentForm(id, &q, name, glass, past)}
	}
	said, rest := cut(words)
	if ask.Values != nil {
		said = ask.Values["confirm"]
	} else if q.Confirm == "" {
		said, rest = "", words
	}
	if said = strings.TrimSpace(said); text.Fold(said) != text.Fold(q.Confirm) {
		return wrongRegion(ask, &q, said, name)
	}
	var why string
	if glass && ask.Values == nil {
		var sure bool
		if rest, sure = certain(rest); !sure && rest != "" {
			f := consentForm(id, &q, name, glass, past)
			f.Fields[len(f.Fields)-1].Value = rest
			return askBack(ask, f, text.Format("{break-glass %s %s %s}", q.Confirm, anyway, text.Shorten(rest, reasonMax)))
		}
	}
	if glass {
		if why, a = reason(ask, rest, strings.TrimSpace("break-glass "+q.Confirm)+" REASON"); a != nil {
			return *a
		}
	}
	now := c.effects(ctx, id, &q)
	var changed string
	var paused bool
	var left int
	var anew incident.Question
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		changed = ""
		still := s.Question(q.Question)
		if still == nil || !s.Waits(still) {
			if still == nil {
				still = &q
			}
			return nil, c.stale(s, still, ask.person)
		}
		paused, left = s.Paused, still.Wanting()-1
		if err := c.mayConsent(s, still, who, glass); err != nil {
			return nil, err
		}
		if now.fingerprint == still.Fingerprint && still.Digest == s.Plan.Digest {
			return []incident.Body{incident.ApprovalGiven{
				Question: still.Question, Kind: incident.AskApprove, Step: still.Step,
				Choice: "approve", Reason: why, BrokeGlass: glass, Click: ask.Request,
			}}, nil
		}
		changed = now.against(still, s)
		next := still.ApprovalAsked
		next.Question = incident.NewQuestion()
		next.Effects, next.Fingerprint, next.Digest, next.Again = now.effects, now.fingerprint, s.Plan.Digest, changed
		if !still.Expires.IsZero() {
			next.Expires = c.Clock.Now().Add(still.Expires.Sub(still.AskedAt))
		}
		anew = incident.Question{ApprovalAsked: next}
		return []incident.Body{
			incident.ApprovalWithdrawn{Question: still.Question, Step: still.Step, Why: changed},
			next,
		}, nil
	})
	switch {
	case a != nil:
		return *a
	case changed != "":
		s := incident.State{ID: id, Run: &incident.Run{}}
		return Answer{
			Text:    text.Format("This changed while you were reading: %v. Look again.\n%v", text.Quote(changed), effectList(&anew)),
			Buttons: approveButtons(&s, &anew),
		}
	case glass:
		return Answer{Text: text.Format("%v approved “%s” alone, breaking glass after nobody answered: %s", named(who.ID), q.Title, text.Quote(why)), Public: true}
	}
	begins := text.Format("It begins now.")
	if left > 0 {
		begins = text.Format("It takes %s before it begins.", text.Count(left, "more person"))
	} else if paused {
		begins = text.Format("It begins as soon as the pause ends: {resume}.")
	}
	return Answer{Text: text.Format("Approved: “%s”. %v", q.Title, begins)}
}

// mayConsent refuses whoever may not say yes to that question now.
func (c *Commands) mayConsent(s *incident.State, q *incident.Question, who Person, glass bool) error {
	if err := c.running(s); err != nil {
		return err
	}
	v := c.look(s)
	if v.OffersSwitch() && v.Asks(q) {
		return c.sourceGone(v)
	}
	may := v.MayAnswer(who, q)
	if glass {
		may = v.MayBreakGlass(who, q)
	}
	allowed := c.whoCan(s, q)
	switch may {
	case "":
		return nil
	case view.NotOpen:
		return c.stale(s, q, who.ID)
	case view.RanOut:
		return refuse("This question ran out at %s and is being asked again. Answer the new one.", clock(q.Expires))
	case view.NotOnTheList, view.NotYet:
		return c.noBreakGlass(s, q, may)
	case view.AnsweredIt:
		return refuse("You have agreed to “%s” already; it takes %s. %v", q.Title, text.Count(q.Wanting(), "more person"), allowed)
	case view.NotTheRole:
		return c.withReminder(s, q, who, text.Format("To approve “%s” takes %s; you are %s. %s", q.Title, either(view.Roles(q)), rolesOf(who), allowed))
	case view.AskedForIt:
	}
	did := text.Literal("started this incident")
	switch who.ID {
	case s.DeclaredBy:
	case s.GoBy:
		did = "pressed Go"
	default:
		if did = "retried this step"; !s.Requested(who.ID, q.Step) {
			did = "retried a step that this yes covers"
		}
	}
	return c.withReminder(s, q, who, text.Format("You %v, so someone else has to approve “%s”. %s", did, q.Title, allowed))
}

// sourceGone refuses a yes to a planned move away from a Region that is lost since it
// was asked for: it could not be carried out.
func (c *Commands) sourceGone(v view.View) error {
	return &refusal{Answer{
		Refused: true,
		Text: text.Format("This changed while you were reading: %s has not answered since %v. A planned move needs it. {switch unplanned REASON} fails over without it; when it answers again, this can be approved.",
			v.Source, clock(v.SourceLost())),
		Buttons: []Button{{Verb: "switch", Label: "Switch to unplanned ...", Incident: v.ID, Style: "primary"}},
	}}
}

func (c *Commands) whoCan(s *incident.State, q *incident.Question) text.Text {
	v := c.look(s)
	say := c.can(view.Roles(q), func(p Person) bool {
		return v.MayAnswer(p, q) == "" || q.Kind == incident.AskGo || q.Kind == incident.AskFailed
	})
	var glass []text.Text
	for _, p := range c.Roster {
		if v.GlassOnly(p, q) {
			glass = append(glass, named(p.ID))
		}
	}
	if len(glass) > 0 {
		say = say.Add(" %v may break glass.", text.Join(glass, "or"))
	}
	return say
}

// withReminder adds the buttons that would help.
func (c *Commands) withReminder(s *incident.State, q *incident.Question, who Person, say text.Text) error {
	r := &refusal{Answer{Refused: true, Text: say}}
	others := slices.DeleteFunc(c.look(s).Answerers(q), func(p Person) bool { return p.ID == who.ID })
	if len(others) > 0 {
		label := "Remind them"
		if len(others) == 1 && others[0].Name != "" {
			label = text.Shorten("Remind "+others[0].Name, 24)
		}
		r.Buttons = append(r.Buttons, Button{Verb: "remind", Label: label, On: q.Question, Incident: s.ID})
	}
	if who.BreakGlass && s.Expiries[q.Step] > 0 {
		r.Text = r.Text.Add(" Nobody answered in time before. You are on the break-glass list: you may approve alone, with a reason that everyone will see.")
		r.Buttons = append(r.Buttons, Button{Verb: "break_glass", Label: "Break glass ...", On: q.Question, Incident: s.ID})
	}
	return r
}

// noBreakGlass says why somebody may not approve alone.
func (c *Commands) noBreakGlass(s *incident.State, q *incident.Question, why view.Refusal) error {
	switch why {
	case view.NotOnTheList:
		var names []text.Text
		for _, p := range c.Roster {
			if p.BreakGlass {
				names = append(names, named(p.ID))
			}
		}
		if len(names) == 0 {
			return refuse("Nobody is on the break-glass list. %s", c.whoCan(s, q))
		}
		return refuse("You are not on the break-glass list; %v %v. %v", text.Join(names, "and"), text.Are(len(names)), c.whoCan(s, q))
	case view.NotYet:
		say := text.Format("Break-glass is for a question that nobody answered, and this one has not run out yet.")
		if !q.Expires.IsZero() {
			say = text.Format("Break-glass is for a question that nobody answered, and this one runs until %s.", clock(q.Expires))
		}
		return c.withReminder(s, q, Person{}, say.Add(" %v", c.whoCan(s, q)))
	default:
		return nil
	}
}

func consentForm(id incident.ID, q *incident.Question, verb string, glass bool, past text.Text) *Form {
	f := &Form{
		Verb: verb, On: q.Question, Incident: id, Title: "Approve", Submit: "Approve",
		Text: text.Format("%v\n%v%v", text.Heading("%s", q.Title), past, effectList(q)),
	}
	if glass {
		f.Title, f.Submit = "Break glass", "Approve alone"
	}
	if q.Confirm != "" {
		f.Fields = append(f.Fields, Field{Name: "confirm", Label: "Type " + q.Confirm, Hint: text.Format("The Region that takes over.")})
	}
	if glass {
		f.Fields = append(f.Fields, Field{Name: "reason", Label: "Why alone", Hint: everybodyReads, Lines: true})
	}
	return f
}

// goneWithout is what people went past so far, a line each, which whoever approves
// reads first.
func goneWithout(v view.View) text.Text {
	var all text.Text
	for _, o := range v.Overrides() {
		all = all.Add("%v went on without %s: %v.", named(o.By), o.Step.Title, text.Quote(text.Shorten(nonempty(o.Why, "no reason given"), 200)))
		if o.Step.Without != "" {
			all = all.Add(" %v", text.Passage(o.Step.Without))
		}
		all = all.Add("\n")
	}
	return all.Short(1200)
}

// whatHappens heads effect i, counted from 0, of n that one yes covers: numbered
// where there are several, so that nobody takes the first for all of it.
func whatHappens(i, n int) string {
	if n < 2 {
		return "What happens"
	}
	return fmt.Sprintf("What happens, %d of %d", i+1, n)
}

// effectList is the exact effect of a yes, as the card shows it.
func effectList(q *incident.Question) text.Text {
	var all text.Text
	for i, e := range q.Effects {
		if i > 0 {
			all = all.Add("\n\n")
		}
		all = all.Add("%v  %v", text.Heading("%s", whatHappens(i, len(q.Effects))), text.Passage(e.What))
		if e.Lost != "" {
			all = all.Add("\n%v  %v", text.Heading("What may be lost"), text.Passage(e.Lost))
		}
		if e.Undo != "" {
			all = all.Add("\n%v  %v", text.Heading("How it is undone"), text.Passage(e.Undo))
		}
	}
	return all.Short(2500)
}

// details shows what exactly a yes would do, change by change: the question itself names
// them, and has what is lost and how it is undone.
func (c *Commands) details(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	var say text.Text
	a = c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
		if ask.On == "" && len(c.look(s).OfKind(incident.AskApprove)) == 0 {
			return refuse("No approval is asked for now. {status} shows what is waited for.")
		}
		q, _, err := c.pick(s, p, ask, incident.AskApprove, "details")
		if err != nil {
			return err
		}
		if len(q.Effects) == 0 {
			say = text.Format("What exactly “%s” does could not be read. Look before you approve.", q.Title)
			return nil
		}
		say = text.Format("%v, as read at %v\n%v%v", text.Heading("%s", q.Title), clock(q.AskedAt), goneWithout(c.look(s)), effectList(q))
		return nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: say}
}

func wrongRegion(ask Ask, q *incident.Question, said, verb string) Answer {
	say := text.Format("Type %s, exactly.", q.Confirm)
	if said != "" {
		say = text.Format("“%v” is not %s. Type %s, exactly.", text.Quote(repeated(said)), q.Confirm, q.Confirm)
		if odd := text.Strange(said); !odd.Empty() {
			say = say.Add(" In what was typed, %v.", odd)
		}
	}
	if ask.Values != nil {
		return Answer{Refused: true, Errors: map[string]text.Text{"confirm": say}}
	}
	var more text.Literal
	if verb == "break_glass" {
		more = " REASON"
	}
	return *refused("%v Nothing was approved. {%s %s%v}", say, spoken(verb), q.Confirm, more)
}

// reading is what a yes would do now.
type reading struct {
	effects     []incident.Effect
	fingerprint string
	err         error
}

// unread is what a question is bound to that was asked while its effects could
// not be read: a yes to it is a yes to not knowing.
const unread = "unknown"

// effects reads them again. What cannot be read is shown as unknown, which is
// not what the question said, unless it said just that.
func (c *Commands) effects(ctx context.Context, id incident.ID, q *incident.Question) reading {
	ctx, stop := c.bounded(ctx, effectsWithin, "reading what would happen")
	defer stop()
	effects, fingerprint, err := c.Engine.Effects(ctx, id, q.Step)
	if err == nil {
		return reading{effects: effects, fingerprint: fingerprint}
	}
	r := reading{fingerprint: unread, err: err}
	for _, e := range q.Effects {
		if e.Bound != unread {
			e.Lost = strings.TrimSpace(fmt.Sprintf("unknown: it could not be read at %s (%s). %s", text.ToSecond.UTC(c.Clock.Now()), text.Bare(err), before(e.Lost)))
		}
		e.Bound = unread
		r.effects = append(r.effects, e)
	}
	return r
}

func before(lost string) string {
	if lost == "" {
		return ""
	}
	return "Before: " + lost
}

// against says what is different from the question.
func (r reading) against(q *incident.Question, s *incident.State) string {
	if q.Digest != s.Plan.Digest {
		return fmt.Sprintf("the plan is %s now, it was %s", short6(s.Plan.Digest), short6(q.Digest))
	}
	if r.err != nil {
		return "what would happen cannot be read any more (" + text.Bare(r.err) + ")"
	}
	old := map[string]incident.Effect{}
	for _, e := range q.Effects {
		old[e.Step] = e
	}
	var parts []string
	for _, e := range r.effects {
		was, known := old[e.Step]
		delete(old, e.Step)
		switch {
		case !known:
			parts = append(parts, "it would also do this: "+e.What)
		case e.Bound == was.Bound:
		case e.What != was.What:
			parts = append(parts, "it is now: "+e.What)
		case e.Lost != was.Lost:
			parts = append(parts, "what may be lost is now "+nonempty(e.Lost, "nothing")+", it was "+nonempty(was.Lost, "nothing"))
		default:
			parts = append(parts, fmt.Sprintf("%s, it was %s", e.Bound, was.Bound))
		}
	}
	for _, e := range q.Effects {
		if _, gone := old[e.Step]; gone {
			parts = append(parts, "no longer part of it: "+e.What)
		}
	}
	if len(parts) == 0 {
		return "the target, the mode or the plan is not the same any more"
	}
	return strings.Join(parts, "; ")
}

func short6(digest string) string {
	if len(digest) > 6 {
		return digest[:6]
	}
	return digest
}

// decline is a no to a point of no return.
func (c *Commands) decline(ctx context.Context, ask Ask, who Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	may := func(s *incident.State, p *runbook.Plan) (*incident.Question, string, error) {
		if ask.On == "" && len(c.look(s).OfKind(incident.AskApprove)) == 0 && len(s.Open) > 0 && !s.Over() {
			return nil, "", refuse("No approval is asked for now. %s To call the run off: {abort REASON}.", c.waits(s))
		}
		q, rest, err := c.pick(s, p, ask, incident.AskApprove, "decline")
		if err != nil {
			return nil, "", err
		}
		if !who.Has(append(view.Roles(q), leaders...)...) {
			return nil, "", refuse("To decline “%s” takes %s; you are %s. %s", q.Title, either(leaders), rolesOf(who), c.can(leaders, nil))
		}
		return q, rest, c.running(s)
	}
	if ask.Values == nil && ask.Text == "" && ask.CanForm {
		var f *Form
		a = c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
			q, _, err := may(s, p)
			if err != nil {
				return err
			}
			f = &Form{
				Verb: "decline", On: q.Question, Incident: s.ID, Title: "Decline", Submit: "Decline",
				Text:   text.Format("%v is not done.", text.Heading("%s", q.Title)),
				Fields: []Field{{Name: "reason", Label: "Why not", Hint: everybodyReads, Lines: true, Optional: true}},
			}
			return nil
		})
		if a != nil {
			return *a
		}
		return Answer{Form: f}
	}
	var said, step string
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		q, rest, err := may(s, p)
		if err != nil {
			return nil, err
		}
		why := strings.TrimSpace(rest)
		if ask.Values != nil {
			why = strings.TrimSpace(ask.Values["reason"])
		}
		said, step = q.Title, q.Step
		return []incident.Body{incident.ApprovalDeclined{Question: q.Question, Step: q.Step, Reason: text.Shorten(why, reasonMax), Click: ask.Request}}, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("Declined: “%s”. Nothing of it was done. To ask again: {retry %s}. To stop: {abort REASON}.", said, step)}
}

// remind calls those who can answer a question, and notes that it did.
func (c *Commands) remind(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	var say text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, _ *runbook.Plan) ([]incident.Body, error) {
		if err := c.live(s); err != nil {
			return nil, err
		}
		q := s.Question(ask.On)
		switch {
		case ask.On == "" && len(s.Open) > 0:
			q = s.Questions[s.Open[0]]
		case ask.On == "":
			return nil, refuse("Nothing waits for anybody now. {status} shows what is under way.")
		case q == nil:
			return nil, refuse("This button belongs to a question that %s does not have. %s", s.ID.Name(), c.waits(s))
		case !s.Waits(q):
			return nil, c.stale(s, q, ask.person)
		}
		people := c.look(s).Answerers(q)
		var ids []text.Text
		var names []string
		for _, p := range people {
			ids, names = append(ids, named(p.ID)), append(names, nonempty(p.Name, p.ID))
		}
		if len(ids) == 0 {
			return nil, refuse("Nobody on the roster can answer that. %s", c.whoCan(s, q))
		}
		say = text.Format("%v: %s waits since %v. Asked by %v.", text.Join(ids, "or"), asks(q), clock(q.AskedAt), named(ask.person))
		return []incident.Body{incident.NoteAdded{Text: fmt.Sprintf("Reminded %s: %s.", text.List(names, "and"), asks(q))}}, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: say, Public: true}
}
