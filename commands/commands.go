// Package commands is what a person may ask, on any surface: it parses, says who
// may, and answers.
//
// It knows neither Slack nor a terminal, and it never touches the world. Its answers
// are text.Text: people, commands and the words of others are marked as what they
// are, and the surface renders them. Whether
// a question is still open, still means the same and may be answered by this
// person is decided from the timeline and the roster, in one piece with the
// append that records it, so two people who press at once, or one who presses
// twice, change nothing twice.
//
// A refusal appends nothing and says what would work. When the record cannot be
// reached it says so and that nothing was done; when an answer of the record was
// lost on the way it says that too, because then something may have been.
package commands

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/evidence"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// Roles of the roster.
const (
	Commander = incident.RoleCommander
	Approver  = incident.RoleApprover
	Responder = incident.RoleResponder
)

// Options are what Commands need.
type Options struct {
	Book   *incident.Book
	Engine Engine
	Clock  incident.Clock
	// Roster is everybody who may do more than look on.
	Roster   incident.Roster
	Topology runbook.Topology
	// Compile makes the plan of an incident from its facts.
	Compile func(runbook.Facts) (*runbook.Plan, error)
	// Active finds out which Region serves users now, and how that is known. It
	// may fail; then the answers say so. Nil always fails.
	Active func(ctx context.Context) (region, evidence string, err error)
	// Serves finds out whether that one Region serves users now, and how that is
	// known; start asks it, and a Region that is down must not keep it waiting. Nil:
	// Active is asked instead.
	Serves func(ctx context.Context, region string) (yes bool, evidence string, err error)
	// Signs are what each part of the platform says of whether one Region serves; start and
	// failback are refused where they disagree, and a Region that is down must not keep them
	// waiting. Nil: Serves is asked instead.
	Signs func(ctx context.Context, region string) []Sign
	// Proofs are what the bot itself is relied on for: check tries them all, start
	// those that were not so lately. Nil: there are none.
	Proofs *incident.Proofs
	// Supports says whether whoever came that way is of support, as the settings name it.
	// It may fail; then nothing is taken from them. Nil: the settings name nobody.
	Supports func(ctx context.Context, via incident.Via) (bool, error)
	// Rehearsal marks every incident as practice.
	Rehearsal bool
	// Timeline writes the record of an incident as a file. Nil: one line for each
	// event.
	Timeline func(ctx context.Context, id incident.ID) (File, error)
	// Review writes the draft of the post-incident review. Nil: there is none.
	Review func(ctx context.Context, id incident.ID) (File, error)
	// Evidence writes the report for auditors as a file. Nil: there is none.
	Evidence func(r *evidence.Report) (File, error)
}

// Commands answer people. They are safe for concurrent use.
type Commands struct {
	Options
	log zerolog.Logger

	mu    sync.Mutex
	given map[string]Answer // what was done for a request, to answer it alike again
	order []string
	plans view.Plans

	served   serving // what was last found out about who serves
	servedAt time.Time
	missed   error // why it could not be found out last
	missedAt time.Time
	looking  *looking // that is under way; nil: none
	stood    Answer   // the last answer to status
	stoodAt  time.Time
}

// remembered is how many answers are kept for repeated requests. Slack repeats
// within minutes; the timeline keeps older ones harmless.
const remembered = 512

// New makes Commands.
func New(o Options, log zerolog.Logger) *Commands {
	if o.Active == nil {
		o.Active = func(context.Context) (string, string, error) {
			return "", "", errors.New("nothing is set up to find it out")
		}
	}
	return &Commands{Options: o, log: log, given: map[string]Answer{}}
}

// verb is one thing that may be asked.
type verb struct {
	name  string // as buttons carry it; people read and type it as spoken has it
	usage string // behind "/failover "; empty: only a button leads here
	about string
	// may are the roles that may ask; nil: everybody, on the roster or not.
	may []string
	do  func(c *Commands, ctx context.Context, ask Ask, who Person) Answer
}

var (
	roster  = []string{Commander, Approver, Responder}
	leaders = []string{Commander, Approver}
)

// verbs is everything that may be asked, in the order of help.
func verbs() []verb {
	return []verb{
		{"start", "start REGION planned|unplanned REASON", "begin a failover to that Region", leaders, (*Commands).start},
		{"start_proposed", "", "begin the failover that is proposed", leaders, (*Commands).startProposed},
		{"not_now", "", "leave a proposal, and hear of it again later", leaders, (*Commands).notNow},
		{"check", "check [REGION] [planned|unplanned]", "carry out the readiness checks now; changes nothing", roster, (*Commands).check},
		{"status", "status", "where things stand, and who is waited for", nil, (*Commands).status},
		{"readiness", "readiness", "what each check before Go has found", roster, (*Commands).found},
		{"go", "go", "begin to change things, once readiness is known", leaders, (*Commands).goNow},
		{"go_override", "go-override REASON", "begin although a required check failed", leaders, (*Commands).goOverride},
		{"approve", "approve REGION [STEP]", "agree to a point of no return", roster, (*Commands).approve},
		{"details", "details [STEP]", "what exactly a yes would do", roster, (*Commands).details},
		{"decline", "decline [STEP] [REASON]", "say no to it", roster, (*Commands).decline},
		{"break_glass", "break-glass REGION REASON", "approve alone, after nobody answered", roster, (*Commands).breakGlass},
		{"answer", "answer [STEP] CHOICE", "say that something is done, or how it stands", roster, (*Commands).answer},
		{"remind", "", "remind those who can answer", roster, (*Commands).remind},
		{"retry", "retry [STEP]", "carry a step that stopped out again", leaders, (*Commands).retry},
		{"skip", "skip STEP REASON", "go on without a step that stopped", leaders, (*Commands).skip},
		{"go_on", "", "go on without a step that stopped", leaders, (*Commands).skip},
		{"pause", "pause [REASON]", "let nothing new start", roster, (*Commands).pause},
		{"resume", "resume", "end a pause", leaders, (*Commands).resume},
		{"switch", "switch unplanned REASON", "leave a planned run whose Region is lost for an unplanned one", leaders, (*Commands).switchRun},
		{"overwrite", "overwrite STEP REASON", "take back what somebody else changed meanwhile, too", leaders, (*Commands).overwrite},
		{"abort", "abort [take-back|leave] REASON", "stop the run, and take back what it changed or leave it", leaders, (*Commands).abort},
		{"abort_back", "", "stop the run and take back what it changed", leaders, (*Commands).abort},
		{"abort_leave", "", "stop the run and leave what it changed", leaders, (*Commands).abort},
		{"take_back", "take-back REASON", "take back what a stopped run had changed", leaders, (*Commands).takeBack},
		{"resolve", "resolve [REASON]", "close the incident, once it is over", leaders, (*Commands).resolve},
		{"impact", "impact since TIME|unknown [REASON]", "say since when users have been hurt", roster, (*Commands).impact},
		{"close_point", "close-point POINT REASON", "take an open point off, although nothing shows that it is put right", leaders, (*Commands).closePoint},
		{"confirm", "confirm access|freeze|egress", "say that something is so that only people know", roster, (*Commands).confirm},
		{"deny", "deny access|freeze|egress [REASON]", "say that it is not so", roster, (*Commands).deny},
		{"here", "here [support]", "say that you are here, as commander or for support", nil, (*Commands).here},
		{"repair", "repair go-on|restore REASON", "decide how to go on after the record lost events", leaders, (*Commands).repair},
		{"note", "note TEXT", "put a remark on the record", roster, (*Commands).note},
		{"timeline", "timeline", "the record so far, as a file", roster, (*Commands).timeline},
		{"review", "review", "the review draft so far, as a file", roster, (*Commands).review},
		{"evidence", "evidence [since DAY|90d]", "what runs and drills prove of the failback control, as a file", roster, (*Commands).evidence},
		{"failback", "failback [REGION] REASON", "go back to the home Region, once it follows again", leaders, (*Commands).failback},
		{"restore", "restore [REGION] [from BACKUP|SCHEDULE] REASON", "restore a Velero backup of the other Region there", leaders, (*Commands).restore},
		{"servers", "servers [REGION] REASON", "move the servers of Elastic Disaster Recovery to that Region, home if none is named", leaders, (*Commands).servers},
		{"rebuild", "rebuild REGION REASON", "make a standby database anew where a detach has left one behind", leaders, (*Commands).rebuild},
		{"drill", "drill [REGION] dry-run [planned|unplanned|failback|servers]", "what a run would do now, in which order, and which rights it lacks; changes nothing", roster, (*Commands).drill},
		{"help", "help", "this list", nil, (*Commands).help},
	}
}

// readers only look, so what they say is said anew each time; what check found is kept.
var readers = []string{"help", "status", "check", "readiness", "details"}

// OnlyLooks says that a verb changes nothing, on the record or beside it. What is no
// verb is answered with what there is, so it only looks too.
func OnlyLooks(name string) bool {
	name = strings.ReplaceAll(name, "-", "_")
	_, there := findVerb(name)
	return name == "" || !there || slices.Contains(append([]string{"timeline", "review", "evidence"}, readers...), name)
}

func findVerb(name string) (verb, bool) {
	v, there := verbsByName()[name]
	return v, there
}

// verbsByName is made once: each command that comes in asks it.
var verbsByName = sync.OnceValue(func() map[string]verb {
	by := map[string]verb{}
	for _, v := range verbs() {
		by[v.name] = v
	}
	return by
})

// Do carries out what somebody asked and answers. It may be called any number of
// times with the same Ask: what was done is not done again.
func (c *Commands) Do(ctx context.Context, ask Ask) Answer {
	if ask.Verb == "" {
		ask.Verb = "help"
	}
	ask.Verb = strings.ReplaceAll(ask.Verb, "-", "_")
	ask.Text = strings.TrimSpace(ask.Text)
	v, ok := findVerb(ask.Verb)
	if !ok {
		return c.unknownVerb(ask.Verb, ask.Text)
	}
	who, a := c.authorise(ask.Via, v)
	if a != nil {
		return *a
	}
	ask.person = who.ID
	if a := c.named(ctx, &ask); a != nil {
		return *a
	}
	if ask.Request == "" {
		ask.Request = rand.Text()
	}
	key := ask.person + "\x00" + ask.Verb + "\x00" + ask.Request
	if done, ok := c.recall(key); ok {
		return done
	}
	answer := c.ofThat(ctx, ask, v.do(c, ctx, ask, who))
	if !answer.Refused && answer.Form == nil && answer.Errors == nil && answer.File == nil && !slices.Contains(readers, v.name) {
		c.remember(key, answer)
	}
	if slices.Contains(readers, v.name) && !answer.Refused {
		return answer // looking leaves no trace
	}
	c.log.Debug().Str("verb", ask.Verb).Str("person", ask.person).Bool("refused", answer.Refused).Msg("answered")
	return answer
}

// apart are the verbs that are about no incident.
var apart = []string{"start", "start_proposed", "not_now", "check", "failback", "restore", "servers", "rebuild", "drill", "help", "confirm", "deny"}

// ofThat makes what an answer offers name the incident that was asked about, where a
// command alone would not mean it: several are open, or it is none of them.
func (c *Commands) ofThat(ctx context.Context, ask Ask, a Answer) Answer {
	offers := false
	for s := range a.Text.Spans() {
		offers = offers || s.Kind == text.Order
	}
	if ask.Incident == "" || !offers {
		return a
	}
	open, err := c.Book.Open(ctx)
	if err != nil || len(open) == 1 && open[0] == ask.Incident {
		return a
	}
	if ids, err := c.Book.Log().Incidents(ctx, 0); err != nil || !slices.Contains(ids, ask.Incident) {
		return a // there is none of that name
	}
	a.Text = a.Text.Orders(func(words string) string {
		verb, rest := cut(words)
		if _, known := findVerb(strings.ReplaceAll(verb, "-", "_")); !known || slices.Contains(apart, verb) || incidentLike.MatchString(text.Fold(rest)) {
			return words
		}
		return strings.TrimRight(verb+" "+ask.Incident.Name()+" "+rest, " ")
	})
	return a
}

// authorise finds the person and says no to whoever may not ask that. No match
// on the roster, or two, means no.
func (c *Commands) authorise(via incident.Via, v verb) (Person, *Answer) {
	who, known := c.Roster.Of(via)
	if v.may == nil {
		return who, nil
	}
	switch times := c.Roster.Times(via); {
	case times == 0:
		who := v.may
		if slices.Contains([]string{"approve", "decline", "break_glass"}, v.name) {
			who = []string{Approver} // the question itself may still want somebody else
		}
		return Person{}, refused("You are not on the roster of this bot, so you cannot %v. %v You can {status} and {help}.",
			text.Exactly(spoken(v.name)), c.can(who, nil))
	case !known:
		return Person{}, refused("You are on the roster %d times, so it is not clear what you may do. Whoever keeps the settings has to name you once. %s",
			times, c.can(v.may, nil))
	case !who.Has(v.may...):
		return Person{}, refused("To %v takes %s; you are %s. %v",
			text.Exactly(spoken(v.name)), either(v.may), rolesOf(who), c.can(v.may, nil))
	}
	return who, nil
}

func rolesOf(p Person) string {
	if len(p.Roles) == 0 {
		return "on the roster without a role"
	}
	return text.Article(text.List(p.Roles, "and"))
}

func (c *Commands) recall(key string) (Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.given[key]
	return a, ok
}

func (c *Commands) remember(key string, a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.given[key]; !ok {
		c.order = append(c.order, key)
	}
	c.given[key] = a
	if len(c.order) > remembered {
		delete(c.given, c.order[0])
		c.order = c.order[1:]
	}
}

// refusal is an Answer that comes out of a decision instead of events.
type refusal struct{ Answer }

// Error is what the person reads.
func (r *refusal) Error() string { return r.Text.String() }

func refuse(format text.Literal, args ...any) error {
	return &refusal{Answer{Refused: true, Text: text.Format(format, args...)}}
}

func refused(format text.Literal, args ...any) *Answer {
	return &Answer{Refused: true, Text: text.Format(format, args...)}
}

// answerTo turns an error into what a person reads. tried says that an append
// had left when it came up.
func (c *Commands) answerTo(err error, tried bool) *Answer {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return &r.Answer
	}
	if errors.Is(err, incident.ErrLost) {
		c.log.Error().Err(err).Msg("the record has lost events")
		return refused("The record (Redis) has lost events that it had acknowledged, so nothing was done, and nothing is decided on what is left of it: %s. Asking again does not help. Whoever keeps Redis has to look whether it was restarted or restored without its append-only file, failed over to a replica that was behind, or evicts keys, and bring the lost part back. Whoever commands has to compare what really holds (the database's writer, DNS, the services' sizes) with the messages in this channel before anything else is changed.", err)
	}
	if locked, ok := errors.AsType[*incident.LockedError](err); ok {
		return refused("%s is under way, and one run at a time may change things. {status} shows it, {abort} stops it.", locked.Holder.Incident.Name())
	}
	if errors.Is(err, incident.ErrDiverged) {
		return refused("The record (Redis) has lost events that it had acknowledged and went on without them, so nothing is changed before somebody has decided how to go on: {status} says what was lost and what can be decided.")
	}
	if errors.Is(err, incident.ErrFormat) || errors.Is(err, incident.ErrChain) {
		return refused("The record cannot be relied on, so nothing was done: %s. Nothing is carried out on it either. {timeline} shows it as it is; {abort REASON} stops the run, as far as it can be written down.", err)
	}
	c.log.Warn().Err(err).Bool("append", tried).Msg("the record could not be used")
	return troubled(err, tried)
}

// troubled says what is the matter with the record, and what would work.
func troubled(err error, tried bool) *Answer {
	r, known := errors.AsType[*incident.RecordError](err)
	why := text.Bare(err)
	if known {
		why = text.Bare(r.Err) // what was tried is in the sentence
	}
	switch {
	case known && r.Trouble == incident.NotReady:
		return refused("The record (Redis) %s, so nothing was done. %s (%s)", r.Says, r.Helps, why)
	case known && r.Trouble != incident.Unreachable:
		return refused("The record (Redis) %s, so nothing was done, and trying again does not help before that is mended. %s What had begun comes to its end; nothing new starts. (%s)", r.Says, r.Helps, why)
	case tried:
		return refused("The record (Redis) did not answer, so it is not certain that this was written down: %s. {status} shows what holds as soon as the record is back; doing it again is safe.", why)
	}
	return refused("The record (Redis) cannot be reached, so nothing was done: %s. Try again, or look after Redis first; what is on the record stays as it is.", why)
}

// which is the incident that is meant: the button's, the one that was named, or the
// open one. Of several it is the one whose run changes things.
func (c *Commands) which(ctx context.Context, ask Ask) (incident.ID, *Answer) {
	id, a := c.current(ctx, ask)
	if a == nil && id == "" {
		return "", refused("No incident is open. To begin one: {start %s}.", c.standby(""))
	}
	return id, a
}

// current is which, and "" when no incident is open.
func (c *Commands) current(ctx context.Context, ask Ask) (incident.ID, *Answer) {
	if ask.Incident != "" {
		return ask.Incident, nil
	}
	open, err := c.Book.Open(ctx)
	if err != nil {
		return "", c.answerTo(err, false)
	}
	switch len(open) {
	case 0:
		return "", nil
	case 1:
		return open[0], nil
	}
	holder, err := c.Book.Log().Holder(ctx)
	if err != nil {
		return "", c.answerTo(err, false)
	}
	if slices.Contains(open, holder.Incident) {
		return holder.Incident, nil
	}
	var names []string
	for _, id := range open {
		names = append(names, id.Name())
	}
	return "", refused("%d incidents are open. Say which, right behind the command: %s.", len(open), text.List(names, "or"))
}

var incidentLike = regexp.MustCompile(`^(?i)INC-[0-9]{4}-[0-9]{4,}(-[a-z0-9]+)?$`)

// named takes the name of an incident off the front of what was typed.
func (c *Commands) named(ctx context.Context, ask *Ask) *Answer {
	word, rest := cut(ask.Text)
	word = text.Fold(word)
	if ask.Incident != "" || ask.Verb == "start" || !incidentLike.MatchString(word) {
		return nil
	}
	ids, err := c.Book.Log().Incidents(ctx, 0)
	if err != nil {
		return c.answerTo(err, false)
	}
	for _, id := range slices.Backward(ids) {
		if strings.EqualFold(string(id), word) || strings.EqualFold(id.Name(), word) {
			ask.Incident, ask.Text = id, rest
			return nil
		}
	}
	return refused("There is no incident %s on the record. Nothing was done. {status} shows what there is.", typed(strings.ToUpper(word)))
}

// view shows the State of an incident that exists.
func (c *Commands) view(ctx context.Context, id incident.ID, see func(*incident.State, *runbook.Plan) error) *Answer {
	var own error
	err := c.Book.View(ctx, id, func(s *incident.State) {
		var p *runbook.Plan
		if p, own = c.plan(s, id); own == nil {
			own = see(s, p)
		}
	})
	if err == nil {
		err = own
	}
	return c.answerTo(err, false)
}

// decision says what a person's word adds to the timeline, or refuses.
type decision func(*incident.State, *runbook.Plan) ([]incident.Body, error)

// record decides and appends in one piece, in the name of whoever asked. It
// returns an Answer only if that did not happen. On a record that has lost events
// nothing is decided.
func (c *Commands) record(ctx context.Context, ask Ask, id incident.ID, d decision) *Answer {
	return c.recordEvenHalted(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		if s.Diverged != nil {
			return nil, halted(s)
		}
		return d(s, p)
	})
}

// halted refuses what would be decided on a record that has lost events, with the ways
// on that there are.
func halted(s *incident.State) error {
	restore := text.Text{}
	if incident.Unrestorable(s.Diverged) == nil {
		restore = text.Format(", {repair restore REASON} puts the lost events back")
	}
	return refuse("The record (Redis) has lost events that it had acknowledged and went on without them, so nothing is changed before somebody has decided how to go on: {repair go-on REASON} takes what is left for the truth%v. {timeline} shows what was lost. Compare first what really holds: the database's writer, DNS, the services' sizes.", restore)
}

// recordEvenHalted is record for what people say of a record that has lost events.
func (c *Commands) recordEvenHalted(ctx context.Context, ask Ask, id incident.ID, d decision) *Answer {
	tried := false
	_, err := c.Book.Decide(ctx, id, func(s *incident.State) (incident.Write, error) {
		tried = false
		p, err := c.plan(s, id)
		if err != nil {
			return incident.Write{}, err
		}
		bodies, err := d(s, p)
		if err != nil {
			return incident.Write{}, err
		}
		tried = len(bodies) > 0
		return c.write(ask, bodies...), nil
	})
	return c.answerTo(err, tried)
}

func (c *Commands) write(ask Ask, bodies ...incident.Body) incident.Write {
	w := incident.Write{Request: ask.Request}
	now, via := c.Clock.Now(), ask.Via
	for _, b := range bodies {
		w.Events = append(w.Events, incident.Event{Time: now, Actor: ask.person, Via: &via, Body: b})
	}
	return w
}

// plan is the frozen plan of an incident, decoded once.
func (c *Commands) plan(s *incident.State, id incident.ID) (*runbook.Plan, error) {
	if (s.Seq == 0 || s.ID == "") && s.Diverged == nil {
		return nil, refuse("There is no incident %s on the record. Nothing was done. If there was one, the record (Redis) has lost it, or is another one: whoever keeps Redis has to look. {status} shows what there is.", id.Name())
	}
	p, err := c.plans.Of(s)
	if err != nil && s.Damage != "" {
		return &runbook.Plan{}, nil // that it is damaged is what there is to say
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.ID, err)
	}
	return p, nil
}

// look is the view of a State that is shown now.
func (c *Commands) look(s *incident.State) view.View {
	p, err := c.plans.Of(s)
	if err != nil {
		p = nil // said where the plan itself is asked for
	}
	return view.New(s, p, c.Roster, c.Clock.Now())
}

// live refuses what only makes sense while a run is under way.
func (c *Commands) live(s *incident.State) error {
	switch {
	case s.Diverged != nil:
		return halted(s)
	case !s.ResolvedAt.IsZero():
		return refuse("%s was resolved by %s at %s. Nothing was done.", s.ID.Name(), named(s.ResolvedBy), c.at(s.ResolvedAt))
	case !s.AbortedAt.IsZero():
		say := text.Format("%s was stopped by %s at %s. Nothing was done. To close it: %v. To try anew: {start %s}.",
			s.ID.Name(), named(s.AbortedBy), c.at(s.AbortedAt), c.toClose(s), s.Target)
		if c.look(s).MayTakeBack() == "" {
			say = say.Add(" To take back what it changed: {take-back REASON}.")
		}
		return &refusal{Answer{Refused: true, Text: say}}
	case !s.EndedAt.IsZero() && s.Kind == incident.RestoreBackup:
		return refuse("The restore of %s ended at %s. Nothing was done. To close it: %v.", s.ID.Name(), c.at(s.EndedAt), c.toClose(s))
	case !s.EndedAt.IsZero() && s.Kind == incident.MoveServers:
		return refuse("The servers' move of %s ended at %s. Nothing was done. To close it: %v. To move them back: {servers %s REASON}, once it is closed.",
			s.ID.Name(), c.at(s.EndedAt), c.toClose(s), s.Source)
	case !s.EndedAt.IsZero() && s.Kind == incident.RebuildStandby:
		return refuse("The rebuild of %s ended at %s. Nothing was done. To close it: %v.", s.ID.Name(), c.at(s.EndedAt), c.toClose(s))
	case !s.EndedAt.IsZero() && s.Kind == incident.Undo:
		return refuse("What %s had changed was taken back at %s. Nothing was done. To close it: %v. To try anew: {start %s}.",
			s.ID.Name(), c.at(s.EndedAt), c.toClose(s), s.Target)
	}
	return nil
}

// running refuses what only makes sense before the target serves.
func (c *Commands) running(s *incident.State) error {
	if err := c.live(s); err != nil {
		return err
	}
	if !s.MitigatedAt.IsZero() {
		return refuse("Users are served from %s since %s; nothing of this run is left to do. To close it: %v.",
			s.Target, c.at(s.ServedAt()), c.toClose(s))
	}
	return nil
}

// bounded is ctx with an end, for reads that a person waits for.
func (c *Commands) bounded(ctx context.Context, d time.Duration, what string) (context.Context, context.CancelFunc) {
	return c.Clock.WithTimeout(ctx, d, fmt.Errorf("%s took longer than %s", what, d))
}
