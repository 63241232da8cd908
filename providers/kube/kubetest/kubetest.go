// Package kubetest gives tests real Kubernetes control planes: one for each of two
// Regions, each of them etcd, kube-apiserver, kube-controller-manager, kube-scheduler,
// and kwok, which plays six nodes in three zones and the pods on them.
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }
//
//	func TestX(t *testing.T) {
//		p := kubetest.Start(t, kubetest.Rollouts)
//		p.Seed(kubetest.West, kubetest.Standby...)
//		... p.Kubeconfig() ... p.Deployment(kubetest.West, "order-service")
//
// They are started once for all tests of a binary, on free ports of loopback, with
// their data below the temporary directory, and are gone when the tests are: Main ends
// them also on an interrupt, and the kernel does when the tests are killed. Each test
// has a namespace of its own in both clusters, the same name in both, and an identity
// that has the rights of deploy/rbac.yaml there and no others.
//
// The programs are one binary, which `make test-real` builds from .ci/kubebox into
// .bin; FAILOVERBOT_KUBEBOX names another. Where KUBEBUILDER_ASSETS is set and there
// is no such binary, etcd and kube-apiserver are taken from there, which is enough for
// tests that need [Objects] alone. Without them tests are skipped, and say so.
package kubetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
)

// The two Regions.
const (
	East = "us-east-1"
	West = "us-west-2"
)

// Regions in a fixed order.
var Regions = []string{East, West}

// Need says how much of a control plane a test needs.
type Need int

// What a test may need.
const (
	// Objects are kept and checked, and nothing follows from them: there are no
	// pods, and no node.
	Objects Need = iota
	// Rollouts happen: controllers, scheduler, autoscalers, nodes and pods.
	Rollouts
)

// pair is a control plane for each Region.
type pair struct {
	once      sync.Once
	processes *processes
	dir       string
	planes    map[string]*controlPlane
	missing   string // why there are none
	err       error
}

// pairs of this test binary, each started when the first test needs it. Those that
// only keep objects are others than those with rollouts: there, controllers write to
// the objects whenever they like.
var pairs = map[Need]*pair{Objects: {}, Rollouts: {}}

// started counts the platforms that tests were given.
var started atomic.Int64

// Main runs the tests and ends the control planes that they started; it returns the
// exit code. On an interrupt it ends them and exits.
func Main(m *testing.M) int {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-interrupted
		signal.Stop(interrupted) // a second one ends us at once
		fmt.Fprintf(os.Stderr, "kubetest: %s; the control planes are ended\n", s)
		end()
		os.Exit(1)
	}()
	defer end()
	return m.Run()
}

// end ends everything and removes its data. It waits for a start that is under way.
func end() {
	for _, p := range pairs {
		p.once.Do(func() { p.missing = "the tests have ended" })
		if p.processes == nil {
			continue
		}
		p.processes.end()
		if err := os.RemoveAll(p.dir); err != nil {
			fmt.Fprintln(os.Stderr, "kubetest:", err)
		}
	}
}

// Platform is one test's part of the two clusters.
type Platform struct {
	// Namespace of this test, in both.
	Namespace string

	t      testing.TB
	planes map[string]*controlPlane
	group  string
	user   map[string]identity
	dir    string
	wires  map[string]*Wire
	config int
}

// Start returns a namespace in each of the two clusters, empty but for the bot's
// rights, less those that are missing. They are deleted when the test ends. The first
// call starts the control planes and may take half a minute.
func Start(t testing.TB, need Need, missing ...Right) *Platform {
	t.Helper()
	clusters := pairs[need]
	clusters.once.Do(func() { clusters.start(need) })
	if clusters.missing != "" {
		t.Skip(clusters.missing)
	}
	if clusters.err != nil {
		t.Fatal(clusters.err)
	}
	namespace := fmt.Sprintf("shop-%d", started.Add(1))
	p := &Platform{
		Namespace: namespace, t: t, planes: clusters.planes, group: "failoverbot-" + namespace, dir: t.TempDir(),
		user: map[string]identity{}, wires: map[string]*Wire{},
	}
	for _, region := range Regions {
		p.prepare(region, missing)
	}
	return p
}

func (p *pair) start(need Need) {
	found, err := findPrograms()
	if err != nil {
		p.err = err
		return
	}
	components := apiComponents
	if need == Rollouts {
		components = slices.Concat(apiComponents, rolloutComponents)
	}
	if lacking := found.lack(components); lacking != "" {
		p.missing = "there is no " + lacking + ": NOT TESTED against real Kubernetes control planes (make test-real builds .bin/kubebox, which has all)"
		return
	}
	tidyUp()
	if p.dir, p.err = os.MkdirTemp("", fmt.Sprintf("%s%d-", dataPrefix, os.Getpid())); p.err != nil {
		return
	}
	p.processes = newProcesses()
	p.planes = map[string]*controlPlane{}
	var mu sync.Mutex
	var starting sync.WaitGroup
	for _, region := range Regions {
		starting.Go(func() {
			c, err := startControlPlane(region, filepath.Join(p.dir, region), found, need, p.processes)
			mu.Lock()
			defer mu.Unlock()
			p.planes[region] = c
			p.err = errors.Join(p.err, err)
		})
	}
	starting.Wait()
}

// dataPrefix begins the name of the directory with the data; the process id follows.
const dataPrefix = "failoverbot-kubetest-"

// tidyUp removes the data of tests that were killed: nobody else could.
func tidyUp() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), dataPrefix+"*")) // the pattern is well formed
	for _, dir := range left {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dataPrefix), "-")
		n, err := strconv.Atoi(pid)
		if err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir) // it may be somebody else's
		}
	}
}

// prepare makes the namespace and the rights of one cluster.
func (p *Platform) prepare(region string, missing []Right) {
	p.t.Helper()
	c := p.planes[region]
	user, err := c.authority.user("failoverbot", p.group)
	if err != nil {
		p.t.Fatal(err)
	}
	p.user[region] = user
	p.Create(region, namespaceObject(p.Namespace))
	rights, err := rightsIn(p.Namespace, p.group, missing...)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, o := range rights {
		p.Create(region, o)
	}
	p.seen(region, missing)
	p.t.Cleanup(func() {
		// The namespace goes by and by, with all that is in it; nothing waits for it.
		ctx, cancel := brief()
		defer cancel()
		if err := c.client.Resource(namespaces).Delete(ctx, p.Namespace, metav1.DeleteOptions{}); err != nil {
			p.t.Error(err)
		}
	})
}

// brief bounds what is done outside a test's own time.
func brief() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}

// Admin may do everything in a Region's cluster.
func (p *Platform) Admin(region string) dynamic.Interface { return p.planes[region].client }
