package main

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/aurora"
)

// What a rebuild asks of RDS is understood over the wire, and is seen to be there.
func TestARebuildIsMadeOverTheWire(t *testing.T) {
	s := moto(t)
	east, west := s.config("us-west-2"), s.config("us-east-1")
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	subnets := func(c aws.Config) {
		t.Helper()
		vpc, err := ec2.NewFromConfig(c).CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
		must("a network", err)
		subnet, err := ec2.NewFromConfig(c).CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String("10.0.1.0/24")})
		must("a subnet", err)
		_, err = rds.NewFromConfig(c).CreateDBSubnetGroup(t.Context(), &rds.CreateDBSubnetGroupInput{DBSubnetGroupName: aws.String("db"), DBSubnetGroupDescription: aws.String("db"), SubnetIds: []string{aws.ToString(subnet.Subnet.SubnetId)}})
		must("a subnet group", err)
	}
	cluster := func(c aws.Config, id string) {
		t.Helper()
		subnets(c)
		_, err := rds.NewFromConfig(c).CreateDBCluster(t.Context(), &rds.CreateDBClusterInput{
			DBClusterIdentifier: aws.String(id), Engine: aws.String("aurora-postgresql"), EngineVersion: aws.String("16.6"), MasterUsername: aws.String("root"), MasterUserPassword: aws.String("not-a-secret"),
			DBSubnetGroupName: aws.String("db"), Port: aws.Int32(5432), BackupRetentionPeriod: aws.Int32(7),
		})
		must(id, err)
		_, err = rds.NewFromConfig(c).CreateDBInstance(t.Context(), &rds.CreateDBInstanceInput{
			DBInstanceIdentifier: aws.String(id + "-1"), DBClusterIdentifier: aws.String(id), Engine: aws.String("aurora-postgresql"), DBInstanceClass: aws.String("db.r6g.large"), AvailabilityZone: aws.String(c.Region + "a"),
		})
		must("an instance of "+id, err)
	}
	cluster(east, "ecommerce-primary")
	cluster(west, "ecommerce-secondary")

	top := runbook.Topology{Home: "us-east-1", Regions: map[string]runbook.Region{"us-west-2": {Name: "us-west-2"}, "us-east-1": {Name: "us-east-1"}}}
	must("the settings", aurora.Platform.Freeze(&top, aurora.Settings{GlobalCluster: "ecommerce-global", Regions: map[string]aurora.Member{
		"us-west-2": {DBCluster: "ecommerce-primary", DBClusterARN: "arn:aws:rds:us-west-2:123456789012:cluster:ecommerce-primary"},
		"us-east-1": {DBCluster: "ecommerce-secondary", DBClusterARN: "arn:aws:rds:us-east-1:123456789012:cluster:ecommerce-secondary"},
	}}))
	found := map[string]engine.Outcome{"names": {Evidence: map[string]string{"new_global_cluster": "ecommerce-global-2", "new_cluster": "ecommerce-primary-2"}}}
	catalog := providers.Catalog(providers.Connections{Clock: incident.RealClock{}, AWS: s.config})
	with, err := json.Marshal(aurora.RebuildInput{Orphan: "orphan", Names: "names"})
	must("the input", err)
	call := engine.Call{
		Incident: "INC-2026-0042", Plan: &runbook.Plan{Kind: incident.RebuildStandby, Mode: "planned", Source: top.Regions["us-east-1"], Target: top.Regions["us-west-2"], Topology: top},
		Step: runbook.Step{ID: "a", With: with, Item: "ecommerce-primary-1"}, Attempt: 1, Token: "fb-0123456789abcdef", Clock: incident.RealClock{},
		Result: func(step string) (engine.Outcome, bool) { o, ok := found[step]; return o, ok },
		Task:   func(string) (incident.Task, bool) { return incident.Task{}, false },
	}
	look := func(action string, want bool) engine.Outcome {
		t.Helper()
		o, ok, err := catalog[action].Look(t.Context(), call)
		if err != nil || ok != want {
			t.Fatalf("%s: %t %q %v", action, ok, o.Summary, err)
		}
		return o
	}
	found["orphan"] = look("aurora.orphan", true)
	look("aurora.release", true)
	for _, action := range []string{"aurora.stop", "aurora.globalize", "aurora.follow", "aurora.populate"} {
		look(action, false)
		o, err := catalog[action].Do(t.Context(), call)
		must(action, err)
		look(action, true)
		if job := catalog[action].Job; job != nil {
			p, err := job(context.WithoutCancel(t.Context()), call, o.Job)
			must("the job of "+action, err)
			if p.Summary == "" {
				t.Errorf("the job of %s says nothing", action)
			}
		}
	}
	if o := look("aurora.renamed", true); o.Evidence["db_cluster"] != "ecommerce-primary-2" || o.Evidence["global_cluster"] != "ecommerce-global-2" {
		t.Errorf("%v", o.Evidence)
	}
}
