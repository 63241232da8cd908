package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

const (
	// progressApart is the least time between two progresses on the timeline, and
	// progressShare how much more has to be done for one before that.
	progressApart = time.Minute
	progressShare = 0.1
)

// token16 names what a step creates: the same in every process of the bot, and no
// other step's.
func (r *run) token16(step string) string {
	sum := sha256.Sum256([]byte(string(r.id) + "\x00" + string(r.name) + "\x00" + step))
	return "fb-" + hex.EncodeToString(sum[:8])
}

// job writes down what the other side calls the work, and follows it.
func (w *work) job(ctx context.Context, handle string) error {
	err := w.keep(ctx, func(ctx context.Context) error {
		return w.decide(ctx, func(s *incident.State) (incident.Write, error) {
			if st := s.Step(w.step.ID); st.Job != nil && st.Job.Handle == handle {
				return incident.Write{}, nil
			}
			return w.write(incident.JobStarted{Step: w.step.ID, Action: w.step.Uses, Token: w.call.Token, Handle: handle}), nil
		})
	})
	if err != nil {
		return err
	}
	return w.follow(ctx, handle)
}

// follow asks how far the job is until it is over. Its time is counted from when it
// began, whichever process began it.
func (w *work) follow(ctx context.Context, handle string) error {
	every := w.action.Every
	if every == 0 {
		every = defaultEvery
	}
	var end time.Time
	if err := w.view(ctx, func(s *incident.State) { end = s.Step(w.step.ID).JobBegun.Add(w.step.Timeout) }); err != nil {
		return err
	}
	for {
		p, err := w.progress(ctx, handle)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && p.Done:
			return w.finish(ctx, p.Outcome, true, false)
		case err != nil && isFault(err) && incident.CallErrorOf(err).NeedsPerson:
			return w.fail(ctx, fmt.Errorf("%s: %w", handle, err), p.Outcome, !incident.CallErrorOf(err).Definite)
		case !w.Clock.Now().Add(every).Before(end):
			if err == nil {
				err = errors.New(p.Summary)
			}
			return w.fail(ctx, fmt.Errorf("%s is not over after %s: %w", handle, w.step.Timeout, err), p.Outcome, true)
		case err == nil:
			if err := w.tellProgress(ctx, p); err != nil {
				return err
			}
		}
		if err := w.Clock.Sleep(ctx, every); err != nil {
			return err
		}
		if err := w.wanted(ctx); err != nil {
			return err
		}
	}
}

func (w *work) progress(ctx context.Context, handle string) (Progress, error) {
	if w.action.Job == nil {
		return Progress{}, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("this version cannot follow a job of %s", w.step.Uses)}
	}
	bounded, stop := w.bounded(ctx)
	defer stop()
	p, err := w.action.Job(bounded, w.call, handle)
	if err != nil && bounded.Err() != nil {
		err = fmt.Errorf("%w (%w)", context.Cause(bounded), err)
	}
	return p, err
}

// tellProgress writes down what a person would want to read anew.
func (w *work) tellProgress(ctx context.Context, p Progress) error {
	return w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		st := s.Step(w.step.ID)
		if st.Status != incident.Running {
			return incident.Write{}, errStop
		}
		if was := st.Progress; was != nil && was.Summary == p.Summary ||
			was != nil && math.Abs(was.Share-p.Share) < progressShare && w.Clock.Now().Sub(st.ProgressAt) < progressApart {
			return incident.Write{}, nil
		}
		return w.write(incident.JobProgressed{Step: w.step.ID, Share: p.Share, Summary: p.Summary, Left: p.Left}), nil
	})
}
