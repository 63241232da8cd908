package sim

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	ec "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
)

func TestTheCacheIsModifyingForAWhile(t *testing.T) {
	s := quiet(t)
	c := elasticache.NewFromConfig(s.once(west))
	promote := func(group string) error {
		_, err := c.FailoverGlobalReplicationGroup(s.ctx, &elasticache.FailoverGlobalReplicationGroupInput{
			GlobalReplicationGroupId: ptr(globalGroup), PrimaryRegion: ptr(west), PrimaryReplicationGroupId: ptr(group),
		})
		return err
	}
	look := func() (string, map[string]string) {
		out, err := c.DescribeGlobalReplicationGroups(s.ctx, &elasticache.DescribeGlobalReplicationGroupsInput{ShowMemberInfo: ptr(true)})
		s.must(err)
		roles := map[string]string{}
		for _, m := range out.GlobalReplicationGroups[0].Members {
			roles[*m.ReplicationGroupRegion] = *m.Role
		}
		return *out.GlobalReplicationGroups[0].Status, roles
	}
	if err := promote("nothing"); err == nil {
		t.Error("an unknown group was promoted")
	}
	s.must(promote(cacheGroup(west)))
	if st, roles := look(); st != "modifying" || roles[west] != "SECONDARY" {
		t.Errorf("right after: %s %v", st, roles)
	}
	s.wait(cacheTime)
	if st, roles := look(); st != "available" || roles[west] != "PRIMARY" || roles[east] != "SECONDARY" {
		t.Errorf("later: %s %v", st, roles)
	}
	var fault *ec.InvalidGlobalReplicationGroupStateFault
	if err := promote(cacheGroup(west)); !errors.As(err, &fault) {
		t.Errorf("twice: %v", err)
	}
}
