package commands

import (
	"context"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Sign is what one part of the platform says of whether a Region serves.
type Sign struct {
	// What says it: "Database", "Cache", "DNS", "Takeover object".
	What string
	// Yes: the Region serves by it. Says is that in a sentence.
	Yes  bool
	Says string
	// Err: it could not be read, and says nothing.
	Err error
	// Serves: users are served by a Region of which all that have this say yes.
	Serves bool
	// Silent: a no of it says nothing, as of an object that is put only when a Region takes
	// over from one that is lost.
	Silent bool
	// ByItself: it moves without anybody, where a Region is lost.
	ByItself bool
}

// serve says whether a Region serves by its signs, and what was seen. What could not be read
// of those that count is the error, unless another one says no.
func serve(signs []Sign) (yes bool, evidence string, err error) {
	var seen []string
	yes = true
	for _, s := range signs {
		switch {
		case !s.Serves:
			continue
		case s.Err != nil:
			yes = false
			if err == nil {
				err = s.Err
			}
			continue
		}
		seen = append(seen, s.Says)
		if !s.Yes {
			return false, s.Says, nil
		}
	}
	return yes, strings.Join(seen, "; "), err
}

// disagree says that some signs say of a Region that it serves and others that it does not.
// In an unplanned run what moves by itself may have moved.
func disagree(signs []Sign, mode string) bool {
	var yes, no bool
	for _, s := range signs {
		if s.Err != nil || s.Silent && !s.Yes || s.ByItself && s.Yes && mode != planned {
			continue
		}
		yes, no = yes || s.Yes, no || !s.Yes
	}
	return yes && no
}

// unclear refuses a start where the world does not agree which Region serves, with what each
// part of it says. A run towards the target that the record knows to have stopped half way
// explains it: then the next one goes on from there. So does a proposal that stands because
// Route 53 has moved users there by itself.
func (c *Commands) unclear(ctx context.Context, w request, now serving) *Answer {
	if w.anyway || !disagree(now.signs, w.mode) {
		return nil
	}
	half, err := c.halfway(ctx, w.target)
	if err == nil && !half && !disagree(now.signs, unplanned) {
		half, err = c.movedByItself(ctx, w.target)
	}
	switch {
	case err != nil:
		return c.answerTo(err, false)
	case half:
		return nil
	}
	say := text.Format("It is not clear which Region serves, so nothing was begun: %v", eachSays(now.signs))
	if w.kind == incident.Failback {
		return refused("%v Put right what stands out; a failback moves a platform of which all is in one Region.", say)
	}
	return refused("%v Put right what stands out, or say that %s is to take over as it is: {start %s %s %s REASON}. What has moved already is found and not moved twice.",
		say, w.target, w.target, nonempty(w.mode, unplanned), anyway)
}

// movedByItself says that a proposal stands that users are sent to that Region already.
func (c *Commands) movedByItself(ctx context.Context, target string) (moved bool, err error) {
	err = c.Book.View(ctx, incident.PlatformLog, func(s *incident.State) {
		q := s.Platform.Proposed()
		moved = q != nil && q.Moved && q.Target == target
	})
	return moved, err
}

// eachSays is what each sign says.
func eachSays(signs []Sign) text.Text {
	var out text.Text
	for i, s := range signs {
		if i > 0 {
			out = out.Add(" ")
		}
		if s.Err != nil {
			out = out.Add("%s: it could not be read (%s).", s.What, s.Err)
			continue
		}
		out = out.Add("%s: %s.", s.What, s.Says)
	}
	return out
}

// halfway says that the newest run on the record that moved anything led to that Region, and
// ended before users were served there.
func (c *Commands) halfway(ctx context.Context, target string) (bool, error) {
	return c.newestMove(ctx, func(r *incident.Run) bool { return r.Target == target && r.ServedAt().IsZero() })
}

// fled says that the newest run on the record that moved anything was a failover that led home
// and served users there: what it left could not be made a standby then, and a failback does it.
func (c *Commands) fled(ctx context.Context, home string) (bool, error) {
	return c.newestMove(ctx, func(r *incident.Run) bool {
		return r.Kind == incident.Failover && r.Target == home && !r.ServedAt().IsZero()
	})
}

// newestMove says how the newest run on the record that moved anything, or began to, was.
func (c *Commands) newestMove(ctx context.Context, was func(r *incident.Run) bool) (yes bool, err error) {
	ids, err := c.Book.Log().Incidents(ctx, 0)
	if err != nil {
		return false, err
	}
	for _, id := range slices.Backward(ids) {
		found := false
		err := c.Book.View(ctx, id, func(s *incident.State) {
			for _, r := range slices.Backward(s.Runs) {
				if (r.Kind == incident.Failover || r.Kind == incident.Failback) && !r.GoAt.IsZero() {
					found, yes = true, was(r)
					return
				}
			}
		})
		if err != nil || found {
			return yes, err
		}
	}
	return false, nil
}
