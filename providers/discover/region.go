package discover

import (
	"context"
	"slices"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// region is what was read of one of the two.
type region struct {
	name, account string
	// leads is the name that the public name's record leads to here; empty for none.
	leads     string
	balancers told[elbtypes.LoadBalancer]
	// ours is the one that the record leads to, and what belongs to it; nil for none.
	ours         *elbtypes.LoadBalancer
	groups       told[elbtypes.TargetGroup]
	listeners    told[elbtypes.Listener]
	certificates told[string]
	acl          told[string]
	buckets      told[string]
	// replicas are the buckets that those of this Region are replicated to.
	replicas map[string]told[string]
	secrets  told[smtypes.SecretListEntry]
	queues   told[queue]
	// topics are ARNs, and logs the names of log groups.
	topics, logs told[string]
	// clusters are those of EKS; cluster is the one that is looked into, nil for none.
	clusters told[Cluster]
	cluster  *Cluster
	objects
	identities told[string]
}

// read reads all there is, each kind as soon as what it needs is known.
func (l *look) read(ctx context.Context, w *world) error {
	var err error
	global := []func(){
		func() { err = l.readNames(ctx, w) },
		func() { w.databases = l.readDatabases(ctx, w) },
		func() { w.caches = l.readCaches(ctx, w) },
		func() { w.distributions = l.readDistributions(ctx) },
		func() { w.links = l.readLinks(ctx, w) },
	}
	for _, r := range w.regions {
		global = append(global,
			func() { r.balancers = l.balancers(ctx, r.name) },
			func() { l.readBuckets(ctx, r) },
			func() { r.secrets = l.secrets(ctx, r.name) },
			func() { r.queues = l.readQueues(ctx, r.name) },
			func() { r.topics = l.topics(ctx, r.name) },
			func() { r.logs = l.logGroups(ctx, r.name) },
			func() { l.readCluster(ctx, r) },
		)
	}
	l.together(global...)
	if err != nil {
		return err
	}
	if w.in, w.inEach, err = w.findNamespace(); err != nil {
		return err
	}
	var local []func()
	for _, r := range w.regions {
		local = append(local, func() { l.readBalancer(ctx, r) }, func() {
			if r.cluster != nil && r.cluster.Name != "" && w.in.Value != nil {
				r.identities = l.identities(ctx, r.name, r.cluster.Name, w.inEach)
			}
		})
	}
	l.together(local...)
	return nil
}

// first asks the Regions in turn until one answers: all of them know what is global.
func first[T any](w *world, read func(r *region) told[T]) told[T] {
	var out told[T]
	for _, r := range w.regions {
		if out = read(r); out.not == nil {
			return out
		}
	}
	return out
}

func (l *look) readBuckets(ctx context.Context, r *region) {
	r.buckets = l.buckets(ctx, r.name)
	r.replicas = map[string]told[string]{}
	answers := make([]told[string], len(r.buckets.all))
	for some := range slices.Chunk(indices(len(answers)), atOnce) {
		var reads []func()
		for _, i := range some {
			reads = append(reads, func() { answers[i] = l.replicas(ctx, r.name, r.buckets.all[i]) })
		}
		l.together(reads...)
	}
	for i, name := range r.buckets.all {
		r.replicas[name] = answers[i]
	}
}

// atOnce is how many buckets of a Region are asked for at the same time.
const atOnce = 16

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
