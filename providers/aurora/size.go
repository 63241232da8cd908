package aurora

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// sourceTime is how long the Region being left may take in a planned run to say what
	// its cluster is made of.
	sourceTime = 10 * time.Second
	// serverless is the class of instances whose size is the cluster's to choose.
	serverless = "db.serverless"
)

// instance is one of a cluster.
type instance struct {
	id, class, status string
	tier              int32
	writes            bool
}

// made is what a cluster is made of.
type made struct {
	*cluster
	all []instance
}

// made asks a Region for its cluster and for the instances of it, in this order: one that
// has no instance needs not be asked for them.
func (a *Aurora) made(ctx context.Context, region, id string) (made, error) {
	c, err := a.cluster(ctx, region, id)
	if err != nil || len(c.instances) == 0 {
		return made{cluster: c}, err
	}
	m := made{cluster: c}
	in := &rds.DescribeDBInstancesInput{Filters: []types.Filter{{Name: aws.String("db-cluster-id"), Values: []string{id}}}}
	for {
		page, err := a.rds(region).DescribeDBInstances(ctx, in, a.reading)
		if err != nil {
			return m, fmt.Errorf("describe the instances of %s in %s: %w", id, region, awserr.SortRead(ctx, err))
		}
		for _, i := range page.DBInstances {
			one := instance{id: aws.ToString(i.DBInstanceIdentifier), class: aws.ToString(i.DBInstanceClass), status: aws.ToString(i.DBInstanceStatus), tier: aws.ToInt32(i.PromotionTier)}
			one.writes = one.id == c.writer
			m.all = append(m.all, one)
		}
		if in.Marker = page.Marker; aws.ToString(in.Marker) == "" {
			return m, nil
		}
	}
}

// available are the instances that could write.
func (m made) available() []instance {
	return slices.DeleteFunc(slices.Clone(m.all), func(i instance) bool { return i.status != available })
}

// writing is the instance that writes, or the one that would: of the lowest tier, and of
// these the largest.
//
// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Concepts.AuroraHighAvailability.html
func (m made) writing() (instance, bool) {
	all := m.available()
	if len(all) == 0 {
		return instance{}, false
	}
	return slices.MinFunc(all, func(x, y instance) int {
		_, sx, _ := size(x.class)
		_, sy, _ := size(y.class)
		return cmp.Or(compareBool(y.writes, x.writes), cmp.Compare(x.tier, y.tier), cmp.Compare(sy, sx), strings.Compare(x.id, y.id))
	}), true
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

// size is the family of an instance class and how large it is within that: db.r6g.2xlarge
// is 4 of r6g, in units of large. It is not ok for what is no such class.
func size(class string) (family string, large float64, ok bool) {
	parts := strings.Split(class, ".")
	if len(parts) < 3 || parts[0] != "db" {
		return "", 0, false
	}
	family = strings.Join(append([]string{parts[1]}, parts[3:]...), ".")
	switch word := parts[2]; word {
	case "micro":
		return family, 0.125, true
	case "small":
		return family, 0.25, true
	case "medium":
		return family, 0.5, true
	case "large":
		return family, 1, true
	default:
		times, isX := strings.CutSuffix(word, "xlarge")
		if !isX {
			return family, 0, false
		}
		n, err := strconv.Atoi(cmp.Or(times, "1"))
		return family, 2 * float64(n), err == nil && n > 0
	}
}

// smaller compares what would write with what writes: wrong is why it is too small, warn
// why that cannot be said, each as the end of a sentence about the former.
func smaller(target, source made) (wrong, warn string) {
	will, ready := target.writing()
	does, known := source.writing()
	if !ready || !known {
		return "", "cannot be compared with the primary, which has no instance that is available"
	}
	if will.class == serverless && does.class == serverless {
		if target.maxCapacity < source.maxCapacity {
			return fmt.Sprintf("may grow to %g ACU, and the primary's to %g", target.maxCapacity, source.maxCapacity), ""
		}
		return "", ""
	}
	family, has, ok := size(will.class)
	other, wants, both := size(does.class)
	switch {
	case will.class == does.class && will.class != "":
		return "", ""
	case !ok || !both || family != other:
		return "", fmt.Sprintf("is %s and the primary's %s: they cannot be compared", orUnknown(will.class), orUnknown(does.class))
	case has < wants:
		return fmt.Sprintf("is %s, smaller than the primary's %s", will.class, does.class), ""
	}
	return "", ""
}

// apart compares two versions of the engine: wrong where a managed promotion is refused,
// warn where it depends on the version.
//
// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-upgrade.html
func apart(target, other string) (wrong, warn bool) {
	if target == other {
		return false, false
	}
	x, y := strings.Split(short(target), "."), strings.Split(short(other), ".")
	if len(x) < 2 || len(y) < 2 || x[0] != y[0] || x[1] != y[1] {
		return true, false
	}
	return false, true
}

// short is a version without that of the database it is compatible with: 3.08.0 of
// 8.0.mysql_aurora.3.08.0.
func short(version string) string {
	if _, own, ok := strings.Cut(version, "mysql_aurora."); ok {
		return own
	}
	return version
}
