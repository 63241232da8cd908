package rehearsal

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// cut is a record to which the way is gone for a while, for the bot alone: it begins in
// the middle of the run and counts in pretend time.
type cut struct {
	incident.Log
	clock incident.Clock
	lasts time.Duration
	began atomic.Pointer[time.Time]
}

var errCut = errors.New("dial tcp 127.0.0.1:6379: connection refused")

func (c *cut) gone() error {
	if began := c.began.Load(); began != nil && c.clock.Now().Sub(*began) < c.lasts {
		return errCut
	}
	return nil
}

func (c *cut) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	if err := c.gone(); err != nil {
		return incident.Written{}, err
	}
	out, err := c.Log.Append(ctx, w)
	for _, e := range w.Events {
		if b, ok := e.Body.(incident.StepStarted); ok && b.Step == "rolled-out/user-service" && err == nil {
			now := c.clock.Now()
			c.began.CompareAndSwap(nil, &now)
		}
	}
	return out, err
}

func (c *cut) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	if err := c.gone(); err != nil {
		return nil, err
	}
	return c.Log.Read(ctx, id, after, limit)
}

func (c *cut) Wait(ctx context.Context, id incident.ID, after uint64) error {
	if err := c.gone(); err != nil {
		return err
	}
	return c.Log.Wait(ctx, id, after)
}

func (c *cut) Open(ctx context.Context) ([]incident.ID, error) {
	if err := c.gone(); err != nil {
		return nil, err
	}
	return c.Log.Open(ctx)
}

func (c *cut) Holder(ctx context.Context) (incident.Holder, error) {
	if err := c.gone(); err != nil {
		return incident.Holder{}, err
	}
	return c.Log.Holder(ctx)
}

func (c *cut) Acquire(ctx context.Context, id incident.ID, b incident.Bid) (uint64, error) {
	if err := c.gone(); err != nil {
		return 0, err
	}
	return c.Log.Acquire(ctx, id, b)
}

func (c *cut) Renew(ctx context.Context, id incident.ID, token uint64, now time.Time, ttl time.Duration) error {
	if err := c.gone(); err != nil {
		return err
	}
	return c.Log.Renew(ctx, id, token, now, ttl)
}

func (c *cut) Remember(ctx context.Context, id incident.ID, key string, p incident.Place) error {
	if err := c.gone(); err != nil {
		return err
	}
	return c.Log.Remember(ctx, id, key, p)
}

func (c *cut) Remembered(ctx context.Context, id incident.ID) (map[string]incident.Place, error) {
	if err := c.gone(); err != nil {
		return nil, err
	}
	return c.Log.Remembered(ctx, id)
}

// In the middle of a run the record is gone for two minutes. The channel says so within
// 15 s, says when it is back, and the run is carried to its end with each change made once.
func TestTheChannelSaysWithin15sThatTheRecordIsGone(t *testing.T) {
	folder := t.TempDir()
	record := &cut{lasts: 2 * time.Minute}
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: "region-degraded", Speed: sim.Max, Listen: "127.0.0.1:0", Out: folder, Stdout: io.Discard, Log: zerolog.Nop(), Templates: templates.FS},
		change: func(o *bot.Options) {
			record.Log, record.clock = o.Record, o.Clock
			o.Record = record
		},
	}
	err := r.run(t.Context())
	began := record.began.Load()
	if err != nil || began == nil {
		t.Fatalf("the record was gone since %v: %v", began, err)
	}
	var messages []slacksim.MessageLine
	lines(t, filepath.Join(folder, "messages.jsonl"), &messages)
	after := func(says string) (times []time.Duration) {
		for _, m := range messages {
			if m.Op == "post" && strings.Contains(m.Text, says) {
				at, err := time.Parse(time.RFC3339Nano, m.Time)
				if err != nil {
					t.Fatal(err)
				}
				times = append(times, at.Sub(*began))
			}
		}
		return times
	}
	if gone := after("cannot be reached"); len(gone) != 1 || gone[0] <= 0 || gone[0] > 15*time.Second {
		t.Errorf("that it is gone is posted %v later", gone)
	}
	if back := after("is back at"); len(back) != 1 || back[0] < record.lasts-time.Second || back[0] > record.lasts+15*time.Second {
		t.Errorf("that it is back is posted %v later", back)
	}
	for _, operation := range []string{"SwitchoverGlobalCluster", "UpdateHealthCheck", "FailoverGlobalReplicationGroup"} {
		if n := r.world.Applied(operation); n != 1 {
			t.Errorf("%s was applied %d times", operation, n)
		}
	}
}
