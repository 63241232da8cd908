package slack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/incident"
)

// begin finds out what was said in an earlier process, by this replica or another.
func (f *follower) begin(ctx context.Context) error {
	f.posted, f.rendered, f.refused = map[string]string{}, map[string]string{}, map[string]bool{}
	f.unlogged, f.files = map[string]post{}, map[string]bool{}
	f.read, f.lines, f.phases, f.again, f.next = 0, nil, 0, 0, time.Time{}
	f.dirty, f.searched, f.uploads, f.updateAt = true, false, 0, time.Time{}
	f.updates, f.newest, f.newestTS = map[string]post{}, "", ""
	f.aways, f.answered, f.stale = map[string]time.Time{}, map[string]bool{}, time.Time{}
	err := f.b.opt.Book.View(ctx, f.id, func(s *incident.State) {
		if !s.DeclaredAt.IsZero() {
			f.since = s.DeclaredAt
		}
	})
	if err != nil {
		return err
	}
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
	f.learnAway(key)
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
	oldest := fmt.Sprintf("%d.000000", max(0, f.since.Add(-time.Minute).Unix()))
	err := f.pages(ctx, "conversations.history", f.history(f.b.opt.Channel, oldest))
	if there := f.b.opt.elsewhere(); err == nil && there != "" && f.posted[keyHere+incident.Supporting] == "" {
		if lost := f.pages(ctx, "conversations.history", f.history(there, oldest)); lost != nil {
			f.log.Warn().Err(lost).Str("channel", there).Msg("support's channel cannot be searched for what was said already, so after a crash support may be asked twice")
		}
	}
	if card := f.posted[keyCard]; err == nil && card != "" {
		// Replies come oldest first; what was not written down is newer than what was.
		from := f.newestReply()
		err = f.pages(ctx, "conversations.replies", func(ctx context.Context, cursor string) ([]slack.Message, string, error) {
			m, _, next, err := f.b.client.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
				ChannelID: f.b.opt.Channel, Timestamp: card, Oldest: from, Limit: 200, Cursor: cursor, IncludeAllMetadata: true,
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

// history reads a page of a channel.
func (f *follower) history(channel, oldest string) func(context.Context, string) ([]slack.Message, string, error) {
	return func(ctx context.Context, cursor string) ([]slack.Message, string, error) {
		r, err := f.b.client.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
			ChannelID: channel, Oldest: oldest, Limit: 200, Cursor: cursor, IncludeAllMetadata: true,
		})
		if err != nil {
			return nil, "", err
		}
		return r.Messages, r.ResponseMetaData.NextCursor, nil
	}
}

// newestReply is a while before the newest post in the card's thread that was written
// down; empty if none was.
func (f *follower) newestReply() string {
	newest := ""
	for key, ts := range f.posted {
		if strings.HasPrefix(key, keyThread) && ts > newest {
			newest = ts
		}
	}
	if newest == "" {
		return ""
	}
	return fmt.Sprintf("%d.000000", posted(newest).Add(-longOver).Unix())
}

// searchMost is how many pages of 200 messages one search reads at most.
const searchMost = 50

func (f *follower) pages(ctx context.Context, method string, get func(context.Context, string) ([]slack.Message, string, error)) error {
	cursor := ""
	for range searchMost {
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
	f.log.Error().Str("method", method).Int("messages", 200*searchMost).
		Msg("there is more than the bot searches for what was said already, so after a crash something may be said twice")
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
