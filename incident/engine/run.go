package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// run is one incident in the hands of this replica, and the run of it that is
// carried out now.
type run struct {
	*Engine
	id    incident.ID
	name  incident.RunID
	log   zerolog.Logger
	holds atomic.Bool

	token uint64
	// newest is the newest token known, behind how much later than by our clock the
	// former holder's calls end; lease is how we keep it.
	newest uint64
	behind time.Duration
	lease  tenure
	other  atomic.Pointer[Takeover] // who has it while we have not
	// frozen is the run's plan as it was frozen, current with the lists that were
	// found since.
	frozen  *runbook.Plan
	current atomic.Pointer[runbook.Plan]
	// beforeGo are the steps that a Go weighs: their failures are put to people
	// together, not one by one.
	beforeGo map[string]bool

	// retired ends when the incident is closed and another one is taken up.
	retired context.Context
	retire  context.CancelFunc

	mu     sync.Mutex
	active map[string]bool
	// wake ends the present wait of the loop; poked says that it came when there
	// was none.
	wake  context.CancelFunc
	poked bool
	steps sync.WaitGroup
}

func newRun(e *Engine, id incident.ID) *run {
	r := &run{
		Engine: e,
		id:     id,
		log:    e.log.With().Str("incident", string(id)).Logger(),
		active: map[string]bool{},
	}
	r.retired, r.retire = context.WithCancel(context.Background())
	return r
}

// carryOut returns nil when the incident is over, or why this replica stopped.
func (r *run) carryOut(ctx context.Context) error {
	if err := r.acquire(ctx); err != nil {
		return err
	}
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	r.holds.Store(true)

	var keeper sync.WaitGroup
	kept, letGo := context.WithCancel(ctx)
	done := r.Clock.Busy()
	keeper.Go(func() {
		defer done()
		r.keepLease(kept, lost)
	})
	defer func() {
		letGo()
		resume := r.Clock.Idle()
		r.steps.Wait()
		keeper.Wait()
		resume()
		if err := r.Book.Log().Release(context.WithoutCancel(ctx), r.id, r.token); err != nil {
			r.log.Debug().Err(err).Msg("lease not released; it runs out by itself")
		}
	}()

	for {
		if err := r.takeUp(ctx); err != nil {
			return err
		}
		if err := r.loop(ctx); err != nil {
			return err
		}
		resume := r.Clock.Idle()
		r.steps.Wait()
		resume()
		if next, err := r.awaitNext(ctx); !next {
			return err
		}
	}
}

// awaitNext waits, when a run is over, for another one of the same incident. The
// lease is kept meanwhile, so that one replica has the last word in Slack. It
// returns false when the incident is closed and others are taken up.
func (r *run) awaitNext(ctx context.Context) (bool, error) {
	wait, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(r.retired, stop)()
	for {
		var next bool
		var todo nextWork
		err := r.decide(ctx, func(s *incident.State) (incident.Write, error) {
			todo, next = nextWork{seen: s.Seq}, newest(s) != r.name
			if s.Diverged == nil && s.Damage == "" {
				todo.remind(r.Clock.Now(), s)
			}
			return r.write(todo.append...), nil
		})
		if next || ctx.Err() != nil {
			return next, context.Cause(ctx)
		}
		if err == nil && len(todo.append) == 0 {
			due, stop := context.Context(wait), func() {}
			if !todo.due.IsZero() {
				due, stop = r.Clock.WithTimeout(wait, todo.due.Sub(r.Clock.Now()), errDue)
			}
			resume := r.Clock.Idle()
			err = r.Book.Log().Wait(due, r.id, todo.seen)
			resume()
			if due.Err() != nil && wait.Err() == nil {
				err = nil // a task is due
			}
			stop()
		}
		switch {
		case r.retired.Err() != nil:
			return false, nil
		case err == nil, errors.Is(err, errStop):
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		default:
			r.log.Warn().Err(err).Msg("the record cannot be followed; trying again")
			if err := r.Clock.Sleep(ctx, again); err != nil {
				return false, err
			}
		}
	}
}

// newest is the run that began last.
func newest(s *incident.State) incident.RunID {
	if len(s.Runs) == 0 {
		return ""
	}
	return s.Runs[len(s.Runs)-1].Name
}

// view shows the State with the run that is carried out here as the current one.
func (r *run) view(ctx context.Context, see func(*incident.State)) error {
	return r.Book.View(ctx, r.id, func(s *incident.State) { see(r.mine(s)) })
}

// mine is the State as the run that is carried out here sees it: another one may
// have begun since, while a call of this one comes back.
func (r *run) mine(s *incident.State) *incident.State {
	if s.Run.Name == r.name {
		return s
	}
	run := s.RunOf(r.name)
	if run == nil {
		return s
	}
	own := *s
	own.Run = run
	return &own
}

// takeUp says on the timeline who carries the run out from here, and how safe
// the record is.
func (r *run) takeUp(ctx context.Context) error {
	var durability incident.Durability
	for {
		var err error
		if durability, err = r.Book.Log().Durability(ctx); err == nil {
			break
		}
		r.log.Warn().Err(err).Msg("durability of the record not found out; trying again")
		if err := r.Clock.Sleep(ctx, again); err != nil {
			return err
		}
	}
	var plan json.RawMessage
	r.name = "" // whichever is the newest
	err := r.decide(ctx, func(s *incident.State) (incident.Write, error) {
		r.name, plan = s.Run.Name, s.Plan.Plan
		if s.Run.Name == "" || !s.EndedAt.IsZero() {
			return incident.Write{}, nil
		}
		taken := incident.RunTaken{Holder: r.Holder, Token: r.token, Return: s.Taken.Token != 0}
		for _, st := range s.Steps {
			if st.Intended != nil && (st.Status == incident.Running || st.Status == incident.Pending) {
				taken.Looking = append(taken.Looking, st.ID)
			}
		}
		slices.Sort(taken.Looking)
		for _, id := range taken.Looking {
			st := s.Step(id)
			if from := st.Intended.Until.Add(r.behind); from.After(r.Clock.Now()) {
				taken.Awaited = append(taken.Awaited, incident.CallAwaited{Step: id, Asked: st.Asked, From: from})
			}
		}
		bodies := []incident.Body{taken}
		if s.Durability == nil || s.Durability.Durability != durability {
			bodies = append(bodies, incident.DurabilityFound{Durability: durability})
		}
		return r.write(bodies...), nil
	})
	if err != nil {
		return err
	}
	if plan == nil {
		return r.awaitPlan(ctx)
	}
	return r.readPlan(plan)
}

// awaitPlan waits for the first events of an incident whose id was reserved a
// moment ago, and then takes it up.
func (r *run) awaitPlan(ctx context.Context) error {
	var seen uint64
	if err := r.view(ctx, func(s *incident.State) { seen = s.Seq }); err != nil {
		return err
	}
	resume := r.Clock.Idle()
	err := r.Book.Log().Wait(ctx, r.id, seen)
	resume()
	if err != nil {
		return err
	}
	return r.takeUp(ctx)
}

// plan is what the run carries out.
func (r *run) plan() *runbook.Plan { return r.current.Load() }

// expand takes the lists into account that were found by now.
func (r *run) expand(s *incident.State) {
	if len(s.Expanded) == 0 {
		return
	}
	lists := map[string][]string{}
	for group, e := range s.Expanded {
		lists[group] = e.Items
	}
	r.current.Store(r.frozen.Expand(lists))
}

func (r *run) readPlan(raw json.RawMessage) error {
	plan, err := runbook.DecodePlan(raw)
	if err != nil {
		return err
	}
	r.frozen, r.beforeGo = plan, plan.BeforeGo()
	r.current.Store(plan)
	return r.view(context.Background(), r.expand)
}

// loop does what the timeline calls for, then waits for it to go on.
func (r *run) loop(ctx context.Context) error {
	outer := ctx
	ctx, stop := context.WithCancelCause(outer) // of the steps: they end with an abort
	defer stop(nil)
	watching, unwatch := context.WithCancelCause(outer)
	defer unwatch(errUnwatched)
	for {
		var todo nextWork
		err := r.decide(outer, func(s *incident.State) (incident.Write, error) {
			r.expand(s)
			todo = r.nextSteps(s)
			return r.write(todo.append...), nil
		})
		if errors.Is(err, errStop) {
			continue // the record has lost events meanwhile: look again
		}
		if err != nil {
			return err
		}
		if todo.over {
			return nil
		}
		if todo.stop {
			stop(errOver)
		}
		if len(todo.start) > 0 {
			if err := r.keepsOn(outer); err != nil {
				return err
			}
		}
		for _, s := range todo.watch {
			r.start(watching, s)
		}
		for _, s := range todo.start {
			if s.Closing {
				r.start(outer, s) // it outlives the stop of the others
			} else {
				r.start(ctx, s)
			}
		}
		if err := r.await(outer, todo); err != nil {
			return err
		}
	}
}

var (
	errOver = errors.New("the run is over")
	errDue  = errors.New("a question ran out")
)

// await returns when the timeline has gone on, a step has been let go, or the
// next question runs out.
func (r *run) await(ctx context.Context, todo nextWork) error {
	if len(todo.append) > 0 {
		return nil // our own append may call for more
	}
	wait, stop := context.WithCancel(ctx)
	defer stop()
	if !todo.due.IsZero() {
		wait, stop = r.Clock.WithTimeout(wait, todo.due.Sub(r.Clock.Now()), errDue)
		defer stop()
	}
	if r.listen(stop) {
		return nil
	}
	resume := r.Clock.Idle()
	err := r.Book.Log().Wait(wait, r.id, todo.seen)
	resume()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wait.Err() != nil:
		return nil
	}
	r.log.Warn().Err(err).Msg("the record cannot be followed; trying again")
	return r.Clock.Sleep(ctx, again)
}

// listen makes poke end the coming wait; it says whether a poke came already.
func (r *run) listen(stop context.CancelFunc) (came bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	came, r.poked, r.wake = r.poked, false, stop
	return came
}

// poke makes the loop look at its nextWork again.
func (r *run) poke() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.poked = true
	if r.wake != nil {
		r.wake()
	}
}

// nextWork is what a State calls for. Making one changes nothing: it is made again
// when somebody else appends first.
type nextWork struct {
	seen   uint64
	append []incident.Body
	start  []runbook.Step
	watch  []runbook.Step
	due    time.Time // when the next open question runs out
	stop   bool      // what is under way
	over   bool
}

func (r *run) nextSteps(s *incident.State) nextWork {
	a := nextWork{seen: s.Seq}
	a.questions(r, s)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.Diverged != nil || s.Damage != "":
		return nextWork{seen: s.Seq} // nothing, before a person has decided
	case s.Over():
		a.stop = true
		a.startWatches(r, s)
		a.close(r, s)
		return a
	}
	settled := true
	for _, step := range r.plan().Steps {
		st := s.Step(step.ID)
		if st.Status.Settled() || step.Closing || !step.Kind.Ends() {
			continue
		}
		if st.Status != incident.Running || !advice(r.plan(), step) {
			settled = false
		}
		switch {
		case r.active[step.ID]:
		case st.Status == incident.Failed:
			a.askFailed(r, s, step)
		case step.EachOf != "" && step.Item == "":
			a.expand(s, step)
		case s.Dry && foreseenWith(step.Kind):
			if ready(s, step) {
				a.start = append(a.start, step)
			}
		case step.Kind == runbook.Go:
			a.askGo(r, s, step)
		case step.Kind == runbook.Ask:
			a.askPerson(r, s, step)
		case s.OpenQuestion(step.ID) != nil:
		case s.Paused && st.Intended == nil && (step.Kind == runbook.Change || st.Status != incident.Running):
		case st.Status == incident.Running, st.Intended != nil:
			a.start = append(a.start, step)
		case ready(s, step) && !covered(s, step) && r.listed(step):
			a.start = append(a.start, step)
		}
	}
	if ended := r.needless(s); len(a.append) == 0 {
		a.append = ended
	}
	if settled && len(a.append) == 0 {
		a.append = r.reached(s)
		if len(a.append) > 0 {
			a.append = append(a.append, r.letGo(s, "the run has come to its end, and nothing waits for it")...)
		}
	}
	a.startWatches(r, s)
	a.remind(r.Clock.Now(), s)
	return a
}

// needless ends the views that a judgement was to be made of and that are still being
// taken when it was made: what they would find from here on may be the run's own doing.
func (r *run) needless(s *incident.State) (out []incident.Body) {
	for _, judge := range r.plan().Steps {
		if len(judge.Rerun) == 0 || s.Step(judge.ID).Status != incident.Done {
			continue
		}
		for _, id := range judge.Rerun {
			if step, ok := r.plan().Step(id); ok && s.Step(id).Status == incident.Running && advice(r.plan(), step) {
				out = append(out, r.ended(s, step, "“"+judge.Title+"” was decided without it"))
			}
		}
	}
	return out
}

// letGo ends the advice that is still being looked for.
func (r *run) letGo(s *incident.State, why string) (out []incident.Body) {
	for _, step := range r.plan().Steps {
		if s.Step(step.ID).Status == incident.Running && advice(r.plan(), step) {
			out = append(out, r.ended(s, step, why))
		}
	}
	return out
}

// ended is the end of advice that is not wanted any more.
func (r *run) ended(s *incident.State, step runbook.Step, why string) incident.Body {
	return incident.StepFailed{
		Step: step.ID, Action: step.Uses, Attempt: s.Step(step.ID).Attempt, Advice: true, Unknown: true,
		Error: "not looked for any more: " + why,
	}
}

// advice says that a step only looks, is only shown, and that nothing waits for it.
func advice(p *runbook.Plan, step runbook.Step) bool {
	if step.Gate != runbook.Advice || step.Closing || !step.Kind.Finds() {
		return false
	}
	return !slices.ContainsFunc(p.Steps, func(other runbook.Step) bool {
		return other.Kind.Ends() && slices.Contains(other.Needs, step.ID)
	})
}

// reached says what a run has come to whose steps are all settled.
func (r *run) reached(s *incident.State) []incident.Body {
	switch {
	case s.Kind == incident.Undo:
		return []incident.Body{incident.RunEnded{How: "done", Summary: r.takenBack(s)}}
	case s.Kind != incident.Failover && s.Kind != incident.Failback && s.Kind != "":
		return []incident.Body{incident.RunEnded{How: "done", Summary: r.summary(s), Closes: !s.ResolvedAt.IsZero()}}
	case s.MitigatedAt.IsZero():
		return []incident.Body{incident.IncidentMitigated{Summary: r.summary(s)}}
	}
	return nil
}

// listed says that every list is known that a yes to the step would bind.
func (r *run) listed(step runbook.Step) bool {
	if step.Approval == nil {
		return true
	}
	for _, id := range step.Approval.Covers {
		if p, ok := r.plan().Step(id); ok && p.EachOf != "" && p.Item == "" {
			return false
		}
	}
	return true
}

// takenBack says what a run that undoes another one has come to.
func (r *run) takenBack(s *incident.State) string {
	back := 0
	var without []string
	for _, step := range r.plan().Steps {
		switch st := s.Step(step.ID); {
		case st.Status == incident.Skipped:
			without = append(without, step.ID)
		case step.Undoes != "" && step.Kind == runbook.Change:
			back++
		}
	}
	said := text.Count(back, "change") + " taken back"
	if len(without) > 0 {
		return said + ". Somebody went on without: " + strings.Join(without, ", ") + "."
	}
	return said + ": everything is as it was before."
}

// close carries out the closing steps of a run once the incident is resolved; when they
// are done it is over. A run that has ended or was aborted is not over before somebody
// resolves the incident or begins another run.
func (a *nextWork) close(r *run, s *incident.State) {
	closed := !s.EndedAt.IsZero() && !s.ResolvedAt.IsZero()
	a.over = len(a.append) == 0 && (closed || newest(s) != r.name)
	for _, step := range r.plan().Steps {
		if !step.Closing || !closed || s.Step(step.ID).Status.Settled() {
			continue
		}
		a.over = false
		if !r.active[step.ID] {
			a.start = append(a.start, step)
		}
	}
}

// summary says what was reached, and what was left out on the way.
func (r *run) summary(s *incident.State) string {
	text := "Users are served from " + r.plan().Target.Name
	switch s.Kind { //nolint:exhaustive // the others move users
	case incident.RestoreBackup:
		text = "The backup is restored in " + r.plan().Target.Name
	case incident.MoveServers:
		text = "The servers run in " + r.plan().Target.Name
	case incident.RebuildStandby:
		text = "The database has a standby in " + r.plan().Target.Name
	}
	var without []string
	for _, step := range r.plan().Steps {
		if s.Step(step.ID).Status == incident.Skipped && !r.beforeGo[step.ID] {
			without = append(without, step.ID)
		}
	}
	if len(without) == 0 {
		text += ", verified."
	} else {
		text += ". Somebody went on without: " + strings.Join(without, ", ") + "."
	}
	for _, step := range r.plan().Showing(incident.SaidAtTheEnd) {
		if st := s.Step(step.ID); st.Status == incident.Done {
			text += " " + strings.TrimSuffix(st.Finished.Summary, ".") + "."
		}
	}
	return text
}

func ready(s *incident.State, step runbook.Step) bool {
	for _, n := range step.Needs {
		if !s.Step(n).Status.Settled() {
			return false
		}
	}
	return true
}

// questions lets open questions run out, and withdraws those that no longer ask
// anything.
func (a *nextWork) questions(r *run, s *incident.State) {
	now := r.Clock.Now()
	for _, id := range s.Open {
		q := s.Questions[id]
		switch {
		case s.Over():
			a.append = append(a.append, incident.ApprovalWithdrawn{
				Question: id, Step: q.Step, Why: "the run is " + s.Phase(),
			})
		case q.Kind == incident.AskFailed && s.Step(q.Step).Status != incident.Failed:
			a.append = append(a.append, incident.ApprovalWithdrawn{
				Question: id, Step: q.Step, Why: "the step no longer stands still",
			})
		case q.Expires.IsZero():
		case !now.Before(q.Expires):
			a.append = append(a.append, incident.ApprovalExpired{Question: id, Step: q.Step})
		case a.due.IsZero() || q.Expires.Before(a.due):
			a.due = q.Expires
		}
	}
}

// askFailed puts a step that stopped to the commander; before Go, failed checks
// are weighed together by whoever presses Go.
func (a *nextWork) askFailed(r *run, s *incident.State, step runbook.Step) {
	if s.OpenQuestion(step.ID) != nil || (s.GoBy == "" && r.beforeGo[step.ID]) {
		return
	}
	a.append = append(a.append, incident.ApprovalAsked{
		Question: incident.NewQuestion(),
		Kind:     incident.AskFailed,
		Step:     step.ID,
		Title:    step.Title,
		Role:     "commander",
		Digest:   r.plan().Digest,
		Failed:   []string{step.ID},
		Locked:   step.Locked || step.NoReturn,
	})
}

// askGo asks for Go as soon as every check has an answer, and finishes the step
// when Go was pressed.
func (a *nextWork) askGo(r *run, s *incident.State, step runbook.Step) {
	if s.GoBy != "" && ready(s, step) {
		a.append = append(a.append, incident.StepFinished{
			Step: step.ID, Action: step.Uses, Attempt: 1, Summary: "Go",
		})
		return
	}
	if s.GoBy != "" {
		return
	}
	var failed []string
	stuck := map[string]bool{} // failed, or waiting for what failed
	for _, p := range r.plan().Steps {
		if !r.beforeGo[p.ID] {
			continue
		}
		st := s.Step(p.ID)
		switch {
		case st.Status == incident.Failed:
			failed = append(failed, p.ID)
			stuck[p.ID] = true
		case st.Status.Settled():
		case slices.ContainsFunc(p.Needs, func(n string) bool { return stuck[n] }):
			stuck[p.ID] = true
		default:
			return
		}
	}
	if s.OpenQuestion(step.ID) != nil {
		return
	}
	a.append = append(a.append, incident.ApprovalAsked{
		Question: incident.NewQuestion(),
		Kind:     incident.AskGo,
		Step:     step.ID,
		Title:    step.Title,
		Role:     "commander",
		Digest:   r.plan().Digest,
		Failed:   failed,
	})
}

// write is the bot's own append: fenced, and stamped with the time.
func (r *run) write(bodies ...incident.Body) incident.Write {
	w := incident.Write{Fence: r.token}
	for _, b := range bodies {
		w.Events = append(w.Events, incident.Event{Time: r.Clock.Now(), Actor: incident.Bot, Run: r.name, Body: b})
	}
	return w
}

// decide is Book.Decide that outlives an unreachable record: it tries until it
// is written, ctx ends, or another replica has taken over.
func (r *run) decide(ctx context.Context, d func(*incident.State) (incident.Write, error)) error {
	_, err := r.record(ctx, d)
	return err
}

func (r *run) record(ctx context.Context, d func(*incident.State) (incident.Write, error)) (incident.Written, error) {
	var own error
	request := rand.Text() // one decision, however often it has to be sent
	for {
		w, err := r.Book.Decide(ctx, r.id, func(s *incident.State) (incident.Write, error) {
			var w incident.Write
			w, own = d(r.mine(s))
			w.Request = request
			return w, own
		})
		switch {
		case err == nil, own != nil:
			return w, err
		case errors.Is(err, incident.ErrDiverged):
			return w, errStop // a person decides first; then it is looked at anew
		case errors.Is(err, incident.ErrFenced):
			r.holds.Store(false)
			return w, err
		case ctx.Err() != nil:
			return w, context.Cause(ctx)
		}
		r.log.Warn().Err(err).Msg("the record cannot be written; trying again")
		if err := r.Clock.Sleep(ctx, again); err != nil {
			return w, err
		}
	}
}

// askPerson puts an ask step to people, and finishes it when enough of them have
// answered.
func (a *nextWork) askPerson(r *run, s *incident.State, step runbook.Step) {
	if !ready(s, step) || s.OpenQuestion(step.ID) != nil {
		return
	}
	if q := answered(s, step.ID); q != nil {
		a.append = append(a.append, incident.StepFinished{
			Step: step.ID, Action: step.Uses, Attempt: 1, Summary: q.Answer,
			Evidence: map[string]string{"by": strings.Join(q.Given, ", ")},
		})
		return
	}
	asked := incident.ApprovalAsked{
		Question: incident.NewQuestion(),
		Kind:     incident.AskPerson,
		Step:     step.ID,
		Title:    step.Title,
		Digest:   r.plan().Digest,
	}
	if t := step.Asks; t != nil {
		asked.Role, asked.Count, asked.Choices = t.Role, t.Count, t.Choices
	}
	a.append = append(a.append, asked)
}

// answered is the newest question about a step that people have answered.
func answered(s *incident.State, step string) *incident.Question {
	var newest *incident.Question
	for _, q := range s.Questions {
		if q.Step == step && q.Kind == incident.AskPerson && len(q.Given) > 0 && !q.Open && (newest == nil || q.AskedAt.After(newest.AskedAt)) {
			newest = q
		}
	}
	return newest
}

// expand fixes the list of what a group of steps is carried out for, as soon as the
// step that was to find it has ended.
func (a *nextWork) expand(s *incident.State, step runbook.Step) {
	if found := s.Step(step.EachOf); found.Status.Settled() {
		a.append = append(a.append, incident.StepsExpanded{Step: step.ID, From: step.EachOf, Items: found.Finished.Items})
	}
}

// remindEvery is how long after one reminder of a task the next one comes.
const remindEvery = 24 * time.Hour

// remind reminds of the tasks that are due.
func (a *nextWork) remind(now time.Time, s *incident.State) {
	for _, id := range s.TaskOrder {
		t := s.Tasks[id]
		switch {
		case !t.Open() || t.Next.IsZero():
		case !now.Before(t.Next):
			a.append = append(a.append, incident.TaskReminded{Task: id, Next: now.Add(remindEvery)})
		case a.due.IsZero() || t.Next.Before(a.due):
			a.due = t.Next
		}
	}
}
