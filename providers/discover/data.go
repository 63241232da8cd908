package discover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// database is an Aurora global database: the ARNs of its clusters, by Region.
type database struct {
	id       string
	writer   string // the Region of its writer
	endpoint string
	members  map[string]string
}

// datastore is an ElastiCache global datastore: its replication groups, by Region.
type datastore struct {
	id      string
	primary string // the Region of its primary
	members map[string]string
}

func (l *look) readDatabases(ctx context.Context, w *world) told[database] {
	read := first(w, func(r *region) told[rdstypes.GlobalCluster] { return l.databases(ctx, r.name) })
	out := told[database]{not: read.not}
	for _, g := range read.all {
		d := database{id: aws.ToString(g.GlobalClusterIdentifier), endpoint: aws.ToString(g.Endpoint), members: map[string]string{}}
		for _, m := range g.GlobalClusterMembers {
			at, err := arn.Parse(aws.ToString(m.DBClusterArn))
			if err != nil {
				continue // nothing that a setting could name
			}
			d.members[at.Region] = aws.ToString(m.DBClusterArn)
			if aws.ToBool(m.IsWriter) {
				d.writer = at.Region
			}
		}
		out.all = append(out.all, d)
	}
	return out
}

func (l *look) readCaches(ctx context.Context, w *world) told[datastore] {
	out := told[datastore]{}
	for _, r := range w.regions {
		read := l.caches(ctx, r.name)
		if out.not = read.not; out.not != nil {
			continue
		}
		for _, g := range read.all {
			d := datastore{id: aws.ToString(g.GlobalReplicationGroupId), members: map[string]string{}}
			for _, m := range g.Members {
				d.members[aws.ToString(m.ReplicationGroupRegion)] = aws.ToString(m.ReplicationGroupId)
				if aws.ToString(m.Role) == "PRIMARY" {
					d.primary = aws.ToString(m.ReplicationGroupRegion)
				}
			}
			out.all = append(out.all, d)
		}
		break
	}
	return out
}

// both says that something has a member in both Regions.
func (w *world) both(members map[string]string) bool {
	return members[w.regions[0].name] != "" && members[w.regions[1].name] != ""
}

func (w *world) globalCluster(*region) *Setting {
	var all []candidate
	for _, d := range w.databases.all {
		if w.both(d.members) {
			all = append(all, candidate{d.id, fmt.Sprintf("The global cluster with members in both Regions; its writer is in %s.", d.writer)})
		}
	}
	return w.choose("platform.aurora.global_cluster", "the id of the Aurora global database",
		fmt.Sprintf("none of %s has members in both Regions", count(len(w.databases.all), "global cluster")), w.databases.not, all)
}

// database is the one that was chosen; nil while it is open.
func (w *world) database() *database {
	id := w.globalCluster(nil).Value
	i := slices.IndexFunc(w.databases.all, func(d database) bool { return d.id == id })
	if i < 0 {
		return nil
	}
	return &w.databases.all[i]
}

const ofTheGlobal = " (see the global one)"

func (w *world) dbCluster(r *region) *Setting {
	d := w.database()
	if d == nil {
		return leave("the id of its cluster in %s%s", r.name, ofTheGlobal)
	}
	_, id, _ := strings.Cut(d.members[r.name], ":cluster:")
	return has(id, "")
}

func (w *world) dbClusterARN(r *region) *Setting {
	d := w.database()
	if d == nil {
		return leave("the ARN of that cluster")
	}
	return has(d.members[r.name], "")
}

func (w *world) globalGroup(*region) *Setting {
	var all []candidate
	for _, d := range w.caches.all {
		if w.both(d.members) {
			all = append(all, candidate{d.id, fmt.Sprintf("The global datastore with members in both Regions; its primary is in %s.", d.primary)})
		}
	}
	return w.choose("platform.cache.global_group", "the id of the ElastiCache global datastore, with the prefix that AWS gave it",
		fmt.Sprintf("none of %s has members in both Regions", count(len(w.caches.all), "global datastore")), w.caches.not, all)
}

func (w *world) cacheGroup(r *region) *Setting {
	id := w.globalGroup(nil).Value
	i := slices.IndexFunc(w.caches.all, func(d datastore) bool { return d.id == id })
	if i < 0 {
		return leave("the id of its replication group in %s%s", r.name, ofTheGlobal)
	}
	return has(w.caches.all[i].members[r.name], "")
}

// ---- buckets ----

// replicated are the buckets of a Region that a rule in force replicates to the other.
func (w *world) replicated(r *region) (all []string, not *Unread) {
	for _, name := range r.buckets.all {
		to := r.replicas[name]
		if to.not != nil && not == nil {
			not = to.not
		}
		if slices.ContainsFunc(to.all, func(b string) bool { return slices.Contains(w.other(r).buckets.all, b) }) {
			all = append(all, name)
		}
	}
	return all, not
}

// noBuckets is said where nothing is replicated, or that is not known.
func (w *world) noBuckets(*region) *Setting {
	n, looked := 0, 0
	for _, r := range w.regions {
		all, not := w.replicated(r)
		if r.buckets.not != nil {
			not = r.buckets.not
		}
		if not != nil && len(all) == 0 {
			return leave("the buckets of the services by Region, or leave s3 out (%s)", not.brief())
		}
		n, looked = n+len(all), looked+len(r.buckets.all)
	}
	if n == 0 {
		return left("No rule in force replicates a bucket from one Region to the other; %s looked at.", count(looked, "bucket"))
	}
	return nil
}

func (w *world) buckets(r *region) *Setting {
	if w.noBuckets(nil) != nil {
		return nil
	}
	all, not := w.replicated(r)
	if len(all) == 0 {
		return leave("a list of the buckets of %s whose objects the other Region has to have (none of %s is replicated to it)", r.name, count(len(r.buckets.all), "bucket")).gone()
	}
	why := fmt.Sprintf("Of %s there, %s to %s.", count(len(r.buckets.all), "bucket"), map[bool]string{true: "the one that is replicated", false: "those that are replicated"}[len(all) == 1], w.other(r).name)
	if not != nil {
		why += fmt.Sprintf(" There may be more: %s of some.", not.brief())
	}
	return has(all, "%s", why)
}

// ---- secrets ----

// shared are the names of the secrets that one Region has as a replica of the other's, and
// those that are in one alone.
func (w *world) shared() (all, alone []string) {
	both := map[string]bool{}
	for _, r := range w.regions {
		for _, s := range r.secrets.all {
			if aws.ToString(s.PrimaryRegion) == w.other(r).name {
				both[aws.ToString(s.Name)] = true
			}
		}
	}
	for _, r := range w.regions {
		for _, s := range r.secrets.all {
			if name := aws.ToString(s.Name); both[name] {
				all = append(all, name)
			} else {
				alone = append(alone, name)
			}
		}
	}
	sorted := func(l []string) []string { return slices.Compact(slices.Sorted(slices.Values(l))) }
	return sorted(all), sorted(alone)
}

func (w *world) noSecrets(*region) *Setting {
	all, alone := w.shared()
	for _, r := range w.regions {
		if r.secrets.not != nil && len(all) == 0 {
			return leave("names: with the names of the secrets that the services need, or leave secrets out (%s)", r.secrets.not.brief())
		}
	}
	if len(all) == 0 {
		return left("No secret of one Region is a replica of the other's; %s looked at.", count(len(alone), "secret"))
	}
	return nil
}

// secretNames are those that are replicated. Where all that begin alike are, their
// beginning stands for them, so that the next is not forgotten.
func (w *world) secretNames(*region) *Setting {
	if w.noSecrets(nil) != nil {
		return nil
	}
	all, alone := w.shared()
	folder := func(name string) string { return name[:strings.LastIndex(name, "/")+1] }
	split := map[string]bool{} // folders of which some are not replicated
	for _, name := range alone {
		for at := folder(name); at != ""; at = folder(strings.TrimSuffix(at, "/")) {
			split[at] = true
		}
	}
	var out []string
	for _, name := range all {
		at := folder(name)
		for up := folder(strings.TrimSuffix(at, "/")); up != "" && !split[up]; up = folder(strings.TrimSuffix(up, "/")) {
			at = up
		}
		if at != "" && !split[at] {
			name = at + "*"
		}
		out = append(out, name)
	}
	why := fmt.Sprintf("%s, each replicated from one Region to the other.", count(len(all), "secret"))
	if len(alone) > 0 {
		why += fmt.Sprintf(" Left out, for they are in one Region alone: %s.", sentence(alone, "and"))
	}
	s := has(slices.Compact(slices.Sorted(slices.Values(out))), "%s", why)
	s.Stand = all
	return s
}
