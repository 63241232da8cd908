package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/rehearsal"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// The bot is a process of its own, and it is killed with a signal that no process
// can catch. Slack and the people are in this process, the record is in a real
// Redis, and the world's state is in a folder.
func TestKilledAtRandomMomentsTheBotGoesOn(t *testing.T) {
	const (
		kills = 10 // in each scenario
		speed = 20 // faster than life, so that a person's three seconds stay long enough
	)
	for _, scenario := range []string{"region-loss", "region-degraded"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			chance := rand.New(rand.NewPCG(seed, 0))
			file := filepath.Join(t.TempDir(), "stage.json")
			var printed bytes.Buffer
			o := rehearsal.Options{
				Auto: true, Scenario: scenario, Speed: speed, Listen: "127.0.0.1:0", StageFile: file, Out: t.TempDir(),
				Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS, RedisURL: redistest.Server(t, redistest.Fsync("always")),
			}
			var killer sync.WaitGroup
			ctx, stop := context.WithCancel(t.Context())
			killer.Go(func() {
				if !begun(ctx, file) {
					return
				}
				for n := 0; ctx.Err() == nil; n++ {
					p := program(t, nil, "rehearse", "--bot", file)
					if n == kills {
						<-ctx.Done()
						return
					}
					lasts := time.Duration(300+chance.IntN(2200)) * time.Millisecond
					if (incident.RealClock{}).Sleep(ctx, lasts) != nil {
						t.Errorf("the incident was over after %d kills, %d were wanted", n, kills)
						return
					}
					p.signal(syscall.SIGKILL)
					<-p.ended
				}
			})
			err := rehearsal.Run(ctx, o)
			stop()
			killer.Wait()
			if err != nil {
				t.Fatalf("%v\n%s", err, printed.String())
			}
			var reach struct {
				Scenario       string
				World          string
				Start, Instant time.Time
				Speed          sim.Speed
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &reach); err != nil {
				t.Fatal(err)
			}
			scn, err := sim.Load(reach.Scenario)
			if err != nil {
				t.Fatal(err)
			}
			clock := sim.NewClockAt(reach.Start, reach.Instant, reach.Speed)
			defer clock.Close()
			world, err := sim.New(scn, clock, sim.Options{Dir: reach.World})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = world.Close() }()
			for operation, want := range map[string]map[string]int{
				"region-loss": {
					"FailoverGlobalCluster": 1, "FailoverGlobalReplicationGroup": 1, "PutObject": 1,
					"patch horizontalpodautoscalers": 5, "patch deployments": 5, "SwitchoverGlobalCluster": 0,
				},
				"region-degraded": {
					"SwitchoverGlobalCluster": 1, "FailoverGlobalReplicationGroup": 1, "UpdateHealthCheck": 1,
					"patch horizontalpodautoscalers": 5, "patch deployments": 5, "FailoverGlobalCluster": 0,
				},
			}[scenario] {
				if got := world.Applied(operation); got != want {
					t.Errorf("%s was applied %d times, want %d", operation, got, want)
				}
			}
		})
	}
}

// begun waits until the rest of a rehearsal has said how a bot reaches it.
func begun(ctx context.Context, file string) bool {
	for {
		if _, err := os.Stat(file); err == nil {
			return true
		}
		if (incident.RealClock{}).Sleep(ctx, 10*time.Millisecond) != nil {
			return false
		}
	}
}
