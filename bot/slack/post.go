package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// post is one thing to be said or shown again.
type post struct {
	key    string
	m      message
	thread bool
	// channel it is said in; empty: that of the incidents.
	channel string
	next    time.Time
	ts      string
	as      string // of a question: how it looks

	// Of an update: the same without buttons, the buttons below it, and whether only
	// they change.
	bare  *message
	below string
	over  bool
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
		err := f.b.client.replace(ctx, f.in(j), ts, j.m)
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
	ts, err := f.b.client.post(ctx, f.in(j), thread, j.m)
	switch {
	case j.channel != "" && barred(err) && !fatalAuth(err):
		f.giveUp(j, err) // nothing else waits for a channel that the bot is not in
		return nil
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

// in is the channel that something is said in.
func (f *follower) in(j post) string { return cmp.Or(j.channel, f.b.opt.Channel) }

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
		p := incident.Place{Channel: f.in(j), TS: j.ts, Next: j.next}
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
