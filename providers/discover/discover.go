// Package discover finds out what the settings have to name: it reads accounts and
// clusters, puts together what belongs together, and says of each setting why it was
// chosen, or what somebody has to put there.
//
// It has three parts. Look reads, everything at once, and keeps of each read what it told
// or why it did not (aws.go, cluster.go). The table says of each setting how it is chosen
// from that (table.go, and a file for each kind of thing). Write and Compare say it as
// settings, or as what has changed since (write.go, compare.go).
//
// Nothing is changed, and nothing is guessed: of two candidates none is chosen. A read that
// is refused or not answered leaves its settings open, with the right that is missing. With
// a Region out of reach all that lies in it stays open; with Route 53's control plane out of
// reach, what the record tells.
package discover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers/awserr"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// patience is how long one read may take: a cluster whose address is private does not
// answer at all.
const patience = 20 * time.Second

// Options say where to look, and decide what would stay open otherwise.
type Options struct {
	// Regions are the two of the platform.
	Regions []string
	// Record is the public name that users know; empty: the one failover record that
	// exists.
	Record string
	// Namespace of the services in the clusters; empty: the one that fits.
	Namespace string
	// Clusters are how the cluster of a Region is reached; where a Region is not here it is
	// its one EKS cluster.
	Clusters map[string]Cluster
	// AWS gives the settings for calls to one Region.
	AWS func(region string) aws.Config
	// Connect gives the connection to a cluster, and calls nobody.
	Connect func(region string, c Cluster) (kubeapi.Client, error)
	// Clock bounds the reads.
	Clock incident.Clock
	// Given are texts that a settings file has, by path. Of several candidates that one is
	// chosen which stands there.
	Given map[string]string
}

// Cluster is how a Kubernetes cluster is reached: by a context, or as an EKS cluster.
type Cluster struct {
	// Context of a kubeconfig, and that file where it is not where client-go looks.
	Context, Kubeconfig string
	// Name, Endpoint and CA are those of an EKS cluster.
	Name, Endpoint, CA string
	// vpc is the id of the network that it is in.
	vpc string
}

// WrongError is what cannot be done as it was asked for: an unknown Region or record.
type WrongError struct{ text string }

// Error says what would work.
func (w *WrongError) Error() string { return w.text }

func wrong(format string, args ...any) error { return &WrongError{fmt.Sprintf(format, args...)} }

// Unread is something that could not be read.
type Unread struct {
	// Right that it needs: rds:DescribeGlobalClusters, or list deployments.apps.
	Right string
	// Region in which it was asked for.
	Region string
	// Refused: the right is missing.
	Refused bool
	// Err is why, in a sentence.
	Err error
}

// String says what could not be read and why.
func (u *Unread) String() string {
	if u.Refused {
		return fmt.Sprintf("%s in %s was refused: %v", u.Right, u.Region, u.Err)
	}
	return fmt.Sprintf("%s in %s: %v", u.Right, u.Region, u.Err)
}

// brief is the same where a line has little room.
func (u *Unread) brief() string {
	if u.Refused {
		return fmt.Sprintf("%s was refused in %s", u.Right, u.Region)
	}
	return fmt.Sprintf("%s could not be read in %s", u.Right, u.Region)
}

// told is what a read has told: all there is of a kind, or why not.
type told[T any] struct {
	all []T
	not *Unread
}

// look is one going through accounts and clusters.
type look struct {
	Options
	reads *awserr.Reads
	mu    sync.Mutex
	not   []*Unread
}

// missed keeps what could not be read.
func (l *look) missed(u *Unread) *Unread {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.not = append(l.not, u)
	return u
}

// together runs these at once.
func (l *look) together(all ...func()) {
	incident.Together(l.Clock, len(all), func(i int) { all[i]() })
}

// Found is what was read, and what follows from it.
type Found struct {
	// Settings in the order of the file.
	Settings []Setting
	// Unread is what could not be read.
	Unread []*Unread
	// Accounts are the AWS accounts, by Region; empty where that is not known.
	Accounts map[string]string
}

// Open counts the settings that are left to people.
func (f *Found) Open() int {
	n := 0
	for _, s := range f.Settings {
		n += s.open()
	}
	return n
}

// Look reads all there is to know. Its error is a [WrongError] where something was asked
// for that there is not, and otherwise says why nothing can be read at all: what fails on
// the way is kept in what is found.
func Look(ctx context.Context, o Options) (*Found, error) {
	if err := fit(o.Regions); err != nil {
		return nil, err
	}
	l := &look{Options: o, reads: awserr.NewReads(o.Clock)}
	w := &world{Options: o}
	for _, name := range o.Regions {
		w.regions = append(w.regions, &region{name: name})
	}
	if err := l.begin(ctx, w); err != nil {
		return nil, err
	}
	if err := l.read(ctx, w); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	f := &Found{Settings: w.settings(), Unread: l.unread(), Accounts: map[string]string{}}
	for _, r := range w.regions {
		f.Accounts[r.name] = r.account
	}
	return f, nil
}

// unread is each right once for each Region, in an order that does not change.
func (l *look) unread() []*Unread {
	key := func(u *Unread) string { return u.Right + " " + u.Region }
	slices.SortStableFunc(l.not, func(a, b *Unread) int { return strings.Compare(key(a), key(b)) })
	return slices.CompactFunc(l.not, func(a, b *Unread) bool { return key(a) == key(b) })
}

// fit says what is wrong with the Regions by themselves.
func fit(regions []string) error {
	switch {
	case len(regions) != 2:
		return wrong("--regions names the two Regions of the platform, such as us-east-1,us-west-2, not %d", len(regions))
	case regions[0] == regions[1]:
		return wrong("--regions names %s twice: a platform has two Regions", regions[0])
	case strict.Partition(regions[0]) != strict.Partition(regions[1]):
		return wrong("--regions lie in two partitions of AWS, %s in %s and %s in %s: nothing reaches from one into the other",
			regions[0], strict.Partition(regions[0]), regions[1], strict.Partition(regions[1]))
	}
	return nil
}

// begin asks who asks, and whether the account has these Regions: what fails here fails
// everywhere.
func (l *look) begin(ctx context.Context, w *world) error {
	known, errs := make([]told[string], len(w.regions)), make([]error, len(w.regions))
	l.together(
		func() { known[0] = l.regionNames(ctx, w.regions[0].name) },
		func() { known[1] = l.regionNames(ctx, w.regions[1].name) },
		func() { w.regions[0].account, errs[0] = l.account(ctx, w.regions[0].name) },
		func() { w.regions[1].account, errs[1] = l.account(ctx, w.regions[1].name) },
	)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(known[0].all, known[1].all))))
	for _, r := range w.regions {
		enabled := slices.Contains(names, r.name)
		switch {
		case len(names) == 0 || enabled:
		case slices.Contains(names, r.name+notEnabled):
			return wrong("--regions: %s is not enabled for this account: enable it, or use one that is", r.name)
		default:
			return wrong("--regions: AWS knows no Region %q%s", r.name, strict.DidYouMean(r.name, usable(names)))
		}
	}
	// With one Region out of reach the other still tells what is there; credentials that are
	// of no use are so everywhere.
	for i, r := range w.regions {
		fault, ok := errors.AsType[*incident.CallError](errs[i])
		if !ok || known[i].not == nil {
			continue
		}
		if useless := fault.Cause != nil && fault.Cause.System == ""; useless || len(names) == 0 {
			text := fmt.Sprintf("AWS answers nothing in %s: %v", r.name, fault)
			if fault.Hint != "" {
				text += "; " + fault.Hint
			}
			return errors.New(text)
		}
	}
	return nil
}

// notEnabled is behind the name of a Region that the account has not enabled.
const notEnabled = " (not enabled)"

func usable(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasSuffix(n, notEnabled) })
}
