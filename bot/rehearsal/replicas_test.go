package rehearsal

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// Two replicas of the bot share one app, so each click reaches either of them. The
// one that carries the run out is killed while the promotion is on its way, and
// does not come back.
func TestTheOtherReplicaGoesOn(t *testing.T) {
	var printed bytes.Buffer
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: "region-loss", Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
	}
	var err error
	if r.scn, err = sim.Load(r.Scenario); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, f := range slices.Backward(r.closes) {
			f()
		}
	}()
	if err := r.startStage(t.Context()); err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	busy := r.clock.Busy()
	var lives []*runningBot
	for range 2 {
		one := &runningBot{}
		if one.ctx, one.process, err = r.newBotProcess(ctx); err != nil {
			t.Fatal(err)
		}
		if one.bot, err = bot.New(one.ctx, one.process.replica(), r.Log); err != nil {
			t.Fatal(err)
		}
		lives = append(lives, one)
		all.Go(func() error {
			err := one.bot.Run(one.ctx)
			killed := one.process.killed() != nil
			one.process.wait()
			if killed || ctx.Err() != nil {
				return nil
			}
			return err
		})
		one.bot.Connected(ctx)
	}
	r.process.Store(nil) // what one life calls is not forbidden to the other

	var once sync.Once
	var killed string
	r.world.OnCall(func(c sim.Call, before bool) (err error) {
		if before || c.Operation != "FailoverGlobalCluster" {
			return nil
		}
		once.Do(func() {
			id, currentErr := r.current(t.Context())
			if currentErr != nil {
				t.Error(currentErr)
			}
			for n, one := range lives {
				if one.bot.Engine.Holds(id) {
					killed += string(rune('a' + n))
					one.process.kill()
				}
			}
			err = errKilled
		})
		return err
	})
	busy()
	var played error
	all.Go(func() error {
		defer stop()
		played = r.playPeople(ctx)
		return nil
	})
	if err := errors.Join(all.Wait(), played, r.verify()); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 40))
	}
	if len(killed) != 1 {
		t.Errorf("held and killed: %q, want one of two", killed)
	}
	for operation, want := range map[string]int{"FailoverGlobalCluster": 1, "FailoverGlobalReplicationGroup": 1, "PutObject": 1, "patch deployments": 5} {
		if n := r.world.Applied(operation); n != want {
			t.Errorf("%s was applied %d times, want %d", operation, n, want)
		}
	}
	var holders []string
	said := map[string]int{}
	for _, e := range r.seen {
		if b, ok := e.Body.(incident.RunTaken); ok {
			holders = append(holders, b.Holder)
		}
	}
	if len(holders) != 2 || holders[0] == holders[1] {
		t.Errorf("the run was taken by %v, want by one and then by the other", holders)
	}
	cards := 0
	for _, m := range r.slack.Messages(channel) {
		payload, _ := m.Metadata["event_payload"].(map[string]any)
		if key, ok := payload["key"].(string); ok {
			said[key]++
		}
		if payload["key"] == "card" {
			cards++
		}
	}
	if cards != 1 {
		t.Errorf("%d cards are in the channel", cards)
	}
	for key, n := range said {
		if n != 1 {
			t.Errorf("%s was said %d times", key, n)
		}
	}
	if !strings.Contains(printed.String(), "overlap") {
		t.Error("it was not measured")
	}
}
