package engine

import (
	"cmp"
	"context"
	"errors"

	"github.com/failoverbot/failoverbot/incident"
)

// watch looks as long as the run is the incident's newest and the incident is open,
// and writes down what it sees when that changes. It never ends by itself, and what it
// cannot find out stops nothing: it is told as unknown.
func (w *work) watch(ctx context.Context) error {
	every := w.action.Every
	if every == 0 {
		every = defaultEvery
	}
	for {
		if err := w.view(ctx, func(s *incident.State) { w.call.Observed = s.Step(w.step.ID).Observed }); err != nil {
			return err
		}
		o, ok, err := w.look(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.observe(ctx, observed(w, o, ok, err), o.Task); err != nil {
			return err
		}
		if err := w.Clock.Sleep(ctx, every); err != nil {
			return err
		}
	}
}

// observed is a look of a watch as an event.
func observed(w *work, o Outcome, ok bool, err error) incident.WatchObserved {
	e := incident.WatchObserved{
		Step: w.step.ID, Action: w.step.Uses, Summary: o.Summary, State: o.State, Evidence: o.Evidence, Measured: o.Measured, Users: o.Users,
	}
	switch {
	case err != nil:
		e.Verdict, e.Summary, e.Hint = incident.Unsure, err.Error(), incident.CallErrorOf(err).Hint
	case e.Verdict != "":
	case ok:
		e.Verdict = incident.Pass
	default:
		e.Verdict = incident.Fail
	}
	return e
}

// observe writes down what a watch sees, and what people have to do about it, unless it is
// what it told last. One that cannot find out any more leaves what it told last, with its
// age, and says so once.
func (w *work) observe(ctx context.Context, e incident.WatchObserved, todo *incident.TaskOpened) error {
	return w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		if !watches(s) || s.Step(w.step.ID).Status != incident.Running {
			return incident.Write{}, errStop
		}
		if was := s.Step(w.step.ID).Observed; was != nil && was.Verdict == e.Verdict && (was.State == e.State || e.Verdict == incident.Unsure) {
			return incident.Write{}, nil
		}
		return w.write(append([]incident.Body{e}, w.left(s, e, todo)...)...), nil
	})
}

// left is what becomes of the task of a watch with what it sees now.
func (w *work) left(s *incident.State, e incident.WatchObserved, todo *incident.TaskOpened) []incident.Body {
	switch {
	case todo != nil:
		t := *todo
		t.Task = w.step.ID
		if t.Owner == incident.RoleCommander {
			t.Owner = cmp.Or(s.Declared.Commander, t.Owner)
		}
		return []incident.Body{t}
	case e.Verdict == incident.Pass && s.Tasks[w.step.ID] != nil && s.Tasks[w.step.ID].Open():
		return []incident.Body{incident.TaskClosed{Task: w.step.ID, How: e.Summary}}
	}
	return nil
}

// task is what a step's watch left to people.
func (r *run) task(step string) (t incident.Task, ok bool) {
	if err := r.view(context.Background(), func(s *incident.State) {
		if has := s.Tasks[step]; has != nil {
			t, ok = *has, true
		}
	}); err != nil {
		return incident.Task{}, false
	}
	return t, ok
}

// held writes down what keeps a wait from its end, when that is known and not what was
// told last, and once when it is known no more.
func (w *work) held(ctx context.Context, o Outcome, err error) error {
	if cause := incident.CallErrorOf(err).Cause; err != nil && cause != nil {
		o.State = cause.Of(cause.System)
	} else if err != nil {
		return nil // no answer of its own: what was told last may still be so
	}
	return w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		st, was := s.Step(w.step.ID), ""
		if st.Observed != nil && !st.ObservedAt.Before(st.Started) {
			was = st.Observed.State
		}
		if st.Status != incident.Running || was == o.State {
			return incident.Write{}, nil
		}
		e := observed(w, o, false, err)
		e.State = o.State
		if e.State != "" && e.Verdict == incident.Fail {
			e.Verdict = incident.Warn // it may still come
		}
		return w.write(e), nil
	})
}

// watches says that the watches of a run go on: also when it was aborted or is over, for
// users are where they are, until the incident is resolved or its next run begins.
func watches(s *incident.State) bool {
	return s.ResolvedAt.IsZero() && s.Ended.How != incident.Superseded
}

// startWatches starts the watches of the run that are not under way.
func (a *nextWork) startWatches(r *run, s *incident.State) {
	if !watches(s) || newest(s) != r.name || s.Dry {
		return
	}
	for _, step := range r.plan().Steps {
		if !step.Kind.Ends() && !r.active[step.ID] && !s.Step(step.ID).Status.Settled() && ready(s, step) {
			a.watch = append(a.watch, step)
		}
	}
}

var errUnwatched = errors.New("the incident is closed, or its next run began")
