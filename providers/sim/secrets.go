package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smt "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// secretsPrefix is what the names of the platform's secrets begin with.
const secretsPrefix = "ecommerce-prod/"

// Secret is what Secrets Manager has of one in a Region, apart from its value.
type Secret struct {
	// Primary is the Region that it is replicated from, its own for the one that is
	// replicated, and empty for one that is not.
	Primary string `json:"primary,omitempty"`
	// Version is the id of the current one; empty if none is.
	Version string `json:"version,omitempty"`
	// Replicas are the states of its replicas, by Region: InSync, InProgress, Failed.
	Replicas map[string]string `json:"replicas,omitempty"`
	// Why a replica is not in sync.
	Why string `json:"why,omitempty"`
	// Deleted is when it was marked for deletion.
	Deleted time.Time `json:"deleted,omitzero"`
	Changed time.Time `json:"changed"`
}

// beginSecrets are those of a Region, by name: one for each service, replicated from the
// home Region.
func beginSecrets(region string, long time.Time) map[string]*Secret {
	out := map[string]*Secret{}
	for _, service := range serviceNames() {
		s := &Secret{Primary: homeRegion, Version: string(uidOf("secret", service)), Changed: long}
		if region == homeRegion {
			s.Replicas = map[string]string{standbyRegion: string(smt.StatusTypeInSync)}
		}
		out[secretsPrefix+service] = s
	}
	return out
}

var secretsAPI = awsAPI{
	system: "aws.secretsmanager",
	operations: map[string]operation{
		"ListSecrets":    reads(listSecrets),
		"DescribeSecret": reads(describeSecret),
	},
	target: func(in any) string {
		if in, ok := in.(*secretsmanager.DescribeSecretInput); ok {
			return deref(in.SecretId)
		}
		return ""
	},
}

// listSecrets leaves out what is marked for deletion, as the API does unless it is asked
// for that, too.
func listSecrets(r request, in *secretsmanager.ListSecretsInput) (*secretsmanager.ListSecretsOutput, error) {
	all := r.Regions[r.region].Secrets
	var names []string
	for _, name := range sortedKeys(all) {
		fits := all[name].Deleted.IsZero()
		for _, f := range in.Filters {
			begins := false
			for _, v := range f.Values {
				begins = begins || strings.HasPrefix(name, v)
			}
			fits = fits && f.Key == smt.FilterNameStringTypeName && begins
		}
		if fits {
			names = append(names, name)
		}
	}
	from, err := strconv.Atoi("0" + deref(in.NextToken))
	if err != nil || from > len(names) {
		return nil, &smt.InvalidNextTokenException{Message: ptr("Invalid NextToken")}
	}
	most := 100
	if n := int(deref(in.MaxResults)); n > 0 {
		most = min(n, most)
	}
	out := &secretsmanager.ListSecretsOutput{}
	if len(names) > from+most {
		out.NextToken, names = ptr(strconv.Itoa(from+most)), names[:from+most]
	}
	for _, name := range names[from:] {
		entry := smt.SecretListEntry{ARN: ptr(secretARN(r.region, name)), Name: ptr(name)}
		if primary := all[name].Primary; primary != "" {
			entry.PrimaryRegion = ptr(primary)
		}
		out.SecretList = append(out.SecretList, entry)
	}
	return out, nil
}

func describeSecret(r request, in *secretsmanager.DescribeSecretInput) (*secretsmanager.DescribeSecretOutput, error) {
	name := deref(in.SecretId)
	s := r.Regions[r.region].Secrets[name]
	if s == nil {
		return nil, &smt.ResourceNotFoundException{Message: ptr("Secrets Manager can't find the specified secret.")}
	}
	out := &secretsmanager.DescribeSecretOutput{ARN: ptr(secretARN(r.region, name)), Name: ptr(name), LastChangedDate: ptr(s.Changed), VersionIdsToStages: map[string][]string{
		string(uidOf("secret", name, "before")): {"AWSPREVIOUS"},
	}}
	if s.Primary != "" {
		out.PrimaryRegion = ptr(s.Primary)
	}
	if s.Version != "" {
		out.VersionIdsToStages[s.Version] = []string{"AWSCURRENT"}
	}
	if !s.Deleted.IsZero() {
		out.DeletedDate = ptr(s.Deleted)
	}
	for _, region := range sortedKeys(s.Replicas) {
		status := smt.ReplicationStatusType{Region: ptr(region), Status: smt.StatusType(s.Replicas[region])}
		if s.Why != "" {
			status.StatusMessage = ptr(s.Why)
		}
		out.ReplicationStatus = append(out.ReplicationStatus, status)
	}
	return out, nil
}

func secretARN(region, name string) string {
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-%06x", region, account, name, draw(0, 1<<24, "secret", name))
}
