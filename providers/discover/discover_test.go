package discover

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const (
	east = "us-east-1"
	west = "us-west-2"
)

// stage is a pretend platform, and how its answers are edited on their way to the SDK's
// caller.
type stage struct {
	*sim.World
	clock *sim.Clock
	// edits change the typed answers of operations, by their names.
	edits map[string]func(region string, in, out any)
}

func newStage(t *testing.T) *stage {
	t.Helper()
	scn := &sim.Scenario{Name: "test", Mode: "planned", Target: west}
	clock := sim.NewClock(scn.StartTime(), sim.Max)
	t.Cleanup(clock.Close)
	w, err := sim.New(scn, clock, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := clock.Busy()
	t.Cleanup(func() {
		done()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return &stage{World: w, clock: clock, edits: map[string]func(region string, in, out any){}}
}

// change changes the world.
func (s *stage) change(t *testing.T, f func(s *sim.State)) {
	t.Helper()
	if err := s.Do(f); err != nil {
		t.Fatal(err)
	}
}

// config is the world's, with the edits around it.
func (s *stage) config(region string) aws.Config {
	c := s.AWS(region)
	c.APIOptions = append(slices.Clone(c.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Edited", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, md, err := next.HandleInitialize(ctx, in)
			if edit := s.edits[awsmiddleware.GetOperationName(ctx)]; err == nil && edit != nil {
				edit(region, in.Parameters, out.Result)
			}
			return out, md, err
		}), middleware.Before)
	})
	return c
}

func (s *stage) options() Options {
	return Options{
		Regions: []string{east, west}, AWS: s.config, Clock: s.clock,
		Connect: func(region string, _ Cluster) (kubeapi.Client, error) { return s.Kube(region), nil },
	}
}

// look finds what the world has.
func (s *stage) look(t *testing.T, o Options) *Found {
	t.Helper()
	f, err := Look(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// written is what is printed of it.
func (s *stage) written(t *testing.T, f *Found) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, f, s.clock.Now(), []string{east, west}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestShow(t *testing.T) {
	s := newStage(t)
	f := s.look(t, s.options())
	os.Stdout.WriteString(s.written(t, f))
	for _, u := range f.Unread {
		t.Log(u)
	}
}
