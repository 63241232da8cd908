package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	drst "github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2t "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbt "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

var drsAPI = awsAPI{
	system: "aws.drs",
	operations: map[string]operation{
		"DescribeSourceServers":     drsReads(describeSources),
		"DescribeRecoveryInstances": drsReads(describeRecoveries),
		"DescribeRecoverySnapshots": drsReads(describePoints),
		"DescribeJobs":              drsReads(describeJobs),
		"DescribeJobLogItems":       drsReads(describeJobLog),

		"ReverseReplication":         drsChanges(reverseReplication),
		"StartReplication":           drsChanges(startReplication),
		"StopReplication":            drsChanges(stopReplication),
		"StartRecovery":              drsChanges(startRecovery),
		"StartFailbackLaunch":        drsChanges(startFailbackLaunch),
		"StopFailback":               drsChanges(stopFailback),
		"TerminateRecoveryInstances": drsChanges(terminateRecoveries),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *drs.DescribeRecoverySnapshotsInput:
			return deref(in.SourceServerID)
		case *drs.DescribeJobLogItemsInput:
			return deref(in.JobID)
		case *drs.ReverseReplicationInput:
			return deref(in.RecoveryInstanceID)
		case *drs.StopFailbackInput:
			return deref(in.RecoveryInstanceID)
		case *drs.StartReplicationInput:
			return deref(in.SourceServerID)
		case *drs.StopReplicationInput:
			return deref(in.SourceServerID)
		}
		return ""
	},
}

// drsReads and drsChanges refuse an account that has not set the service up there.
func drsReads[In, Out any](f func(request, In) (Out, error)) operation { return reads(initialised(f)) }

func drsChanges[In, Out any](f func(request, In) (Out, error)) operation {
	return changes(initialised(f))
}

func initialised[In, Out any](f func(request, In) (Out, error)) func(request, In) (Out, error) {
	return func(r request, in In) (out Out, err error) {
		if r.Recovery == nil || slices.Contains(r.Recovery.Uninitialised, r.region) {
			return out, &drst.UninitializedAccountException{Message: ptr("Account not initialized")}
		}
		return f(r, in)
	}
}

// page gives what comes after a token, most at a time.
func page[T any](all []T, token *string, most int) (part []T, next *string) {
	from := 0
	if t := deref(token); t != "" {
		_, _ = fmt.Sscan(t, &from)
	}
	from = min(from, len(all))
	to := min(from+most, len(all))
	if to < len(all) {
		next = ptr(fmt.Sprint(to))
	}
	return all[from:to], next
}

func iso(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return ptr(t.UTC().Format(time.RFC3339Nano))
}

func noSuch(kind, id string) error {
	return &drst.ResourceNotFoundException{Message: ptr(kind + " " + id + " does not exist"), ResourceId: ptr(id), ResourceType: ptr(kind)}
}

func inConflict(format string, args ...any) error {
	return &drst.ConflictException{Message: ptr(fmt.Sprintf(format, args...))}
}

func describeSources(r request, in *drs.DescribeSourceServersInput) (*drs.DescribeSourceServersOutput, error) {
	out := &drs.DescribeSourceServersOutput{}
	all, next := page(r.Recovery.Sources[r.region], in.NextToken, cmp.Or(r.Recovery.Pages, 2))
	out.NextToken = next
	for _, s := range all {
		info := &drst.DataReplicationInfo{DataReplicationState: drst.DataReplicationState(s.State)}
		total := bytesOf(s.Name)
		disk := drst.DataReplicationInfoReplicatedDisk{DeviceName: ptr("/dev/nvme0n1"), TotalStorageBytes: total, ReplicatedStorageBytes: total}
		switch s.State {
		case "INITIATING":
			disk.ReplicatedStorageBytes = 0
		case "INITIAL_SYNC":
			took := syncTakes[1].takes
			disk.ReplicatedStorageBytes = total / 100 * int64(100*r.now.Sub(s.Since)/took)
			info.EtaDateTime = iso(s.Since.Add(took))
		}
		info.ReplicatedDisks = []drst.DataReplicationInfoReplicatedDisk{disk}
		if s.State != "INITIATING" && s.State != "STOPPED" {
			info.LagDuration = ptr(fmt.Sprintf("PT%dM%dS", int(r.lagOf(s).Minutes()), int(r.lagOf(s).Seconds())%60))
		}
		if s.Why != "" {
			info.DataReplicationError = &drst.DataReplicationError{Error: drst.DataReplicationErrorString(s.Why)}
		}
		one := drst.SourceServer{
			SourceServerID: ptr(s.ID), Arn: ptr(s.ARN()), DataReplicationInfo: info, ReplicationDirection: drst.ReplicationDirection(s.Direction),
			LastLaunchResult: drst.LastLaunchResult(s.Result), Tags: map[string]string{"Name": s.Name},
			SourceCloudProperties: &drst.SourceCloudProperties{OriginRegion: ptr(otherRegion(s.Region)), OriginAccountID: ptr(account)},
			SourceProperties:      &drst.SourceProperties{IdentificationHints: &drst.IdentificationHints{AwsInstanceID: ptr(s.Of), Hostname: ptr(s.Name)}},
		}
		if s.Reversed != "" {
			one.ReversedDirectionSourceServerArn = ptr(s.Reversed)
		}
		if s.Launched != "" {
			one.RecoveryInstanceId = ptr(s.Launched)
		}
		out.Items = append(out.Items, one)
	}
	return out, nil
}

// reverseOf is the source server that replicates what was launched of another one.
func (r *Recovery) reverseOf(region string, i *RecoveryInstance) *SourceServer {
	from := r.source(region, i.Source)
	if from == nil || from.Reversed == "" {
		return nil
	}
	to := r.source(otherRegion(region), from.Reversed[strings.LastIndex(from.Reversed, "/")+1:])
	if to == nil || to.Of != i.ID {
		return nil // what ran before is replicated by it
	}
	return to
}

func (s *State) failbackOf(region string, i *RecoveryInstance) string {
	if i.OnPremises {
		return i.Failback
	}
	to := s.Recovery.reverseOf(region, i)
	switch {
	case to == nil || to.State == "STOPPED":
		return i.Failback
	case to.Result == "SUCCEEDED":
		return "FAILBACK_COMPLETED"
	case to.State == "CONTINUOUS":
		return "FAILBACK_READY_FOR_LAUNCH"
	default:
		return "FAILBACK_IN_PROGRESS"
	}
}

func describeRecoveries(r request, in *drs.DescribeRecoveryInstancesInput) (*drs.DescribeRecoveryInstancesOutput, error) {
	out := &drs.DescribeRecoveryInstancesOutput{}
	all, next := page(r.Recovery.Instances[r.region], in.NextToken, cmp.Or(r.Recovery.Pages, 2))
	out.NextToken = next
	for _, i := range all {
		state := drst.EC2InstanceStateNotFound
		m := r.Recovery.Machines[r.region][i.ID]
		name := ""
		if m != nil {
			state, name = drst.EC2InstanceState(strings.ToUpper(m.State)), m.Name
		}
		seen := r.now
		if !i.Seen.IsZero() {
			seen = i.Seen
		}
		one := drst.RecoveryInstance{
			RecoveryInstanceID: ptr(i.ID), Ec2InstanceID: ptr(i.ID), Ec2InstanceState: state, SourceServerID: ptr(i.Source), JobID: ptr(i.Job),
			IsDrill: ptr(i.Drill), PointInTimeSnapshotDateTime: iso(i.Point), OriginEnvironment: drst.OriginEnvironmentAws,
			Failback:                   &drst.RecoveryInstanceFailback{State: drst.FailbackState(r.failbackOf(r.region, i)), AgentLastSeenByServiceDateTime: iso(seen)},
			RecoveryInstanceProperties: &drst.RecoveryInstanceProperties{Disks: []drst.RecoveryInstanceDisk{{Bytes: bytesOf(name)}}},
			DataReplicationInfo:        &drst.RecoveryInstanceDataReplicationInfo{DataReplicationState: drst.RecoveryInstanceDataReplicationStateNotStarted},
		}
		if i.OnPremises {
			one.OriginEnvironment = drst.OriginEnvironmentOnPremises
		}
		out.Items = append(out.Items, one)
	}
	return out, nil
}

// describePoints are the last three, one every ten minutes as long as it is replicated.
func describePoints(r request, in *drs.DescribeRecoverySnapshotsInput) (*drs.DescribeRecoverySnapshotsOutput, error) {
	s := r.Recovery.source(r.region, deref(in.SourceServerID))
	if s == nil {
		return nil, noSuch("SOURCE_SERVER", deref(in.SourceServerID))
	}
	var all []drst.RecoverySnapshot
	last := r.now
	if s.State != "CONTINUOUS" {
		last = s.Since
	}
	for n := range 3 {
		at := last.Truncate(10 * time.Minute).Add(-time.Duration(10*n) * time.Minute)
		all = append(all, drst.RecoverySnapshot{SnapshotID: ptr(fmt.Sprintf("pit-%017x", draw(0, 1<<60, s.ID, at.Unix()))), SourceServerID: ptr(s.ID), ExpectedTimestamp: iso(at), Timestamp: iso(at)})
	}
	if s.State == "STOPPED" || s.State == "INITIATING" || s.State == "INITIAL_SYNC" || r.Recovery.Pointless[s.Name] {
		all = nil
	}
	if in.Order != drst.RecoverySnapshotsOrderDesc {
		slices.Reverse(all)
	}
	out := &drs.DescribeRecoverySnapshotsOutput{}
	out.Items, out.NextToken = page(all, in.NextToken, cmp.Or(r.Recovery.Pages, 2))
	return out, nil
}

func describeJobs(r request, in *drs.DescribeJobsInput) (*drs.DescribeJobsOutput, error) {
	var all []drst.Job
	for _, j := range slices.Backward(r.Recovery.Jobs[r.region]) {
		if in.Filters == nil || len(in.Filters.JobIDs) == 0 || slices.Contains(in.Filters.JobIDs, j.ID) {
			all = append(all, r.job(r.region, j))
		}
	}
	out := &drs.DescribeJobsOutput{}
	out.Items, out.NextToken = page(all, in.NextToken, cmp.Or(r.Recovery.Pages, 2))
	return out, nil
}

func (s *State) job(region string, j *RecoveryJob) drst.Job {
	out := drst.Job{
		JobID: ptr(j.ID), Arn: ptr(fmt.Sprintf("arn:aws:drs:%s:%s:job/%s", region, account, j.ID)), Type: drst.JobType(j.Type), InitiatedBy: drst.InitiatedBy(j.By),
		CreationDateTime: iso(j.Created), EndDateTime: iso(j.Ended), Tags: j.Tags, Status: drst.JobStatusPending,
	}
	for _, p := range j.Servers {
		if p.Status != "PENDING" {
			out.Status = drst.JobStatusStarted
		}
		one := drst.ParticipatingServer{SourceServerID: ptr(p.Source), LaunchStatus: drst.LaunchStatus(p.Status)}
		if p.Instance != "" {
			one.RecoveryInstanceID = ptr(p.Instance)
		}
		out.ParticipatingServers = append(out.ParticipatingServers, one)
	}
	if !j.Ended.IsZero() {
		out.Status = drst.JobStatusCompleted
	}
	return out
}

func describeJobLog(r request, in *drs.DescribeJobLogItemsInput) (*drs.DescribeJobLogItemsOutput, error) {
	n := slices.IndexFunc(r.Recovery.Jobs[r.region], func(j *RecoveryJob) bool { return j.ID == deref(in.JobID) })
	if n < 0 {
		return nil, noSuch("JOB", deref(in.JobID))
	}
	j := r.Recovery.Jobs[r.region][n]
	all := []drst.JobLog{{Event: drst.JobLogEventJobStart, LogDateTime: iso(j.Created)}}
	for _, p := range j.Servers {
		of := func(event drst.JobLogEvent, at time.Time, raw string) {
			data := &drst.JobLogEventData{SourceServerID: ptr(p.Source)}
			if raw != "" {
				data.RawError = ptr(raw)
			}
			all = append(all, drst.JobLog{Event: event, LogDateTime: iso(at), EventData: data})
		}
		if j.Type != "LAUNCH" || p.Status == "PENDING" {
			continue
		}
		of(drst.JobLogEventSnapshotStart, j.Created.Add(10*time.Second), "")
		of(drst.JobLogEventSnapshotEnd, j.Created.Add(15*time.Second), "")
		of(drst.JobLogEventConversionStart, j.Created.Add(20*time.Second), "")
		switch p.Status {
		case "FAILED":
			of(drst.JobLogEventConversionFail, p.At, p.Why)
		case "LAUNCHED":
			of(drst.JobLogEventConversionEnd, p.At.Add(-20*time.Second), "")
			of(drst.JobLogEventLaunchStart, p.At.Add(-15*time.Second), "")
		}
	}
	if !j.Ended.IsZero() {
		all = append(all, drst.JobLog{Event: drst.JobLogEventJobEnd, LogDateTime: iso(j.Ended)})
	}
	out := &drs.DescribeJobLogItemsOutput{}
	out.Items, out.NextToken = page(all, in.NextToken, 3)
	return out, nil
}

// busy is the job that is under way on a server; nil if none is.
func (r *Recovery) busy(region string, is func(p *JobServer) bool) *RecoveryJob {
	for _, j := range r.Jobs[region] {
		if j.Ended.IsZero() && slices.ContainsFunc(j.Servers, is) {
			return j
		}
	}
	return nil
}

func reverseReplication(r request, in *drs.ReverseReplicationInput) (*drs.ReverseReplicationOutput, error) {
	i := r.Recovery.instance(r.region, deref(in.RecoveryInstanceID))
	if i == nil {
		return nil, noSuch("RECOVERY_INSTANCE", deref(in.RecoveryInstanceID))
	}
	from := r.Recovery.source(r.region, i.Source)
	if from == nil || i.OnPremises || i.Drill {
		return nil, &drst.ValidationException{Message: ptr("the replication of " + i.ID + " cannot be reversed")}
	}
	other := otherRegion(r.region)
	if slices.Contains(r.Recovery.Uninitialised, other) {
		return nil, &drst.UninitializedAccountException{Message: ptr("Account not initialized in " + other)}
	}
	if r.Recovery.reverseOf(r.region, i) != nil {
		return nil, inConflict("the replication of %s is reversed already", i.ID)
	}
	direction := "FAILBACK"
	if from.Direction == direction {
		direction = "FAILOVER"
	}
	to := &SourceServer{ID: r.Recovery.id("s"), Region: other, Name: from.Name, Of: i.ID, Direction: direction, State: "INITIATING", Since: r.now, Reversed: from.ARN(), Result: "NOT_STARTED"}
	r.Recovery.Sources[other] = append(r.Recovery.Sources[other], to)
	from.Reversed = to.ARN()
	return &drs.ReverseReplicationOutput{ReversedDirectionSourceServerArn: ptr(to.ARN())}, nil
}

func startReplication(r request, in *drs.StartReplicationInput) (*drs.StartReplicationOutput, error) {
	s := r.Recovery.source(r.region, deref(in.SourceServerID))
	if s == nil {
		return nil, noSuch("SOURCE_SERVER", deref(in.SourceServerID))
	}
	if s.State != "STOPPED" {
		return nil, inConflict("%s is %s", s.ID, s.State)
	}
	s.State, s.Since, s.Result = "INITIATING", r.now, "NOT_STARTED"
	return &drs.StartReplicationOutput{SourceServer: &drst.SourceServer{SourceServerID: ptr(s.ID), DataReplicationInfo: &drst.DataReplicationInfo{DataReplicationState: drst.DataReplicationStateInitiating}}}, nil
}

// stopReplication deletes the points in time.
func stopReplication(r request, in *drs.StopReplicationInput) (*drs.StopReplicationOutput, error) {
	s := r.Recovery.source(r.region, deref(in.SourceServerID))
	if s == nil {
		return nil, noSuch("SOURCE_SERVER", deref(in.SourceServerID))
	}
	if s.State == "STOPPED" {
		return nil, inConflict("%s is STOPPED", s.ID)
	}
	if j := r.Recovery.busy(r.region, func(p *JobServer) bool { return p.Source == s.ID }); j != nil {
		return nil, inConflict("%s is under way on %s", j.ID, s.ID)
	}
	s.State, s.Since = "STOPPED", r.now
	return &drs.StopReplicationOutput{}, nil
}

func startRecovery(r request, in *drs.StartRecoveryInput) (*drs.StartRecoveryOutput, error) {
	if len(in.SourceServers) > 200 {
		return nil, &drst.ServiceQuotaExceededException{Message: ptr("at most 200 servers"), ResourceId: ptr("servers"), ResourceType: ptr("JOB")}
	}
	j := &RecoveryJob{ID: "", Type: "LAUNCH", By: "START_RECOVERY", Created: r.now, Tags: in.Tags, Drill: deref(in.IsDrill)}
	if j.Drill {
		j.By = "START_DRILL"
	}
	for _, want := range in.SourceServers {
		id := deref(want.SourceServerID)
		s := r.Recovery.source(r.region, id)
		if s == nil {
			return nil, noSuch("SOURCE_SERVER", id)
		}
		if other := r.Recovery.busy(r.region, func(p *JobServer) bool { return p.Source == id }); other != nil {
			return nil, inConflict("%s is under way on %s", other.ID, id)
		}
		if s.State == "STOPPED" || s.State == "INITIATING" || s.State == "INITIAL_SYNC" {
			return nil, inConflict("%s has no point in time: it is %s", id, s.State)
		}
		j.Servers = append(j.Servers, &JobServer{Source: id, Name: s.Name, Status: "PENDING", At: r.now})
	}
	j.ID = r.Recovery.id("drsjob")
	r.Recovery.Jobs[r.region] = append(r.Recovery.Jobs[r.region], j)
	job := r.job(r.region, j)
	return &drs.StartRecoveryOutput{Job: &job}, nil
}

// startFailbackLaunch ends what the Failback Client has replicated.
func startFailbackLaunch(r request, in *drs.StartFailbackLaunchInput) (*drs.StartFailbackLaunchOutput, error) {
	j := &RecoveryJob{Type: "LAUNCH", By: "FAILBACK", Created: r.now, Ended: r.now, Tags: in.Tags}
	for _, id := range in.RecoveryInstanceIDs {
		i := r.Recovery.instance(r.region, id)
		if i == nil {
			return nil, noSuch("RECOVERY_INSTANCE", id)
		}
		if i.Failback != "FAILBACK_READY_FOR_LAUNCH" {
			return nil, inConflict("%s is %s", id, i.Failback)
		}
		j.Servers = append(j.Servers, &JobServer{Source: i.Source, Instance: id, Status: "LAUNCHED", At: r.now})
	}
	for _, id := range in.RecoveryInstanceIDs {
		r.Recovery.instance(r.region, id).Failback = "FAILBACK_COMPLETED"
	}
	j.ID = r.Recovery.id("drsjob")
	r.Recovery.Jobs[r.region] = append(r.Recovery.Jobs[r.region], j)
	job := r.job(r.region, j)
	return &drs.StartFailbackLaunchOutput{Job: &job}, nil
}

func stopFailback(r request, in *drs.StopFailbackInput) (*drs.StopFailbackOutput, error) {
	i := r.Recovery.instance(r.region, deref(in.RecoveryInstanceID))
	if i == nil {
		return nil, noSuch("RECOVERY_INSTANCE", deref(in.RecoveryInstanceID))
	}
	i.Failback = "FAILBACK_NOT_STARTED"
	return &drs.StopFailbackOutput{}, nil
}

func terminateRecoveries(r request, in *drs.TerminateRecoveryInstancesInput) (*drs.TerminateRecoveryInstancesOutput, error) {
	j := &RecoveryJob{Type: "TERMINATE", By: "TERMINATE_RECOVERY_INSTANCES", Created: r.now}
	for _, id := range in.RecoveryInstanceIDs {
		i := r.Recovery.instance(r.region, id)
		if i == nil {
			return nil, noSuch("RECOVERY_INSTANCE", id)
		}
		if other := r.Recovery.busy(r.region, func(p *JobServer) bool { return p.Instance == id }); other != nil {
			return nil, inConflict("%s is under way on %s", other.ID, id)
		}
		j.Servers = append(j.Servers, &JobServer{Source: i.Source, Instance: id, Status: "PENDING", At: r.now})
	}
	for _, id := range in.RecoveryInstanceIDs {
		if m := r.Recovery.Machines[r.region][id]; m != nil {
			m.State, m.Since = "shutting-down", r.now
		}
		for _, targets := range r.Recovery.Led[r.region] {
			delete(targets, id)
		}
	}
	j.ID = r.Recovery.id("drsjob")
	r.Recovery.Jobs[r.region] = append(r.Recovery.Jobs[r.region], j)
	job := r.job(r.region, j)
	return &drs.TerminateRecoveryInstancesOutput{Job: &job}, nil
}

// describeInstances are the servers', by a filter of their ids.
func describeInstances(r request, in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
	out := &ec2.DescribeInstancesOutput{}
	if r.Recovery == nil {
		return out, nil
	}
	for _, id := range sortedKeys(r.Recovery.Machines[r.region]) {
		m := r.Recovery.Machines[r.region][id]
		if slices.ContainsFunc(in.Filters, func(f ec2t.Filter) bool {
			return deref(f.Name) == "instance-id" && !slices.Contains(f.Values, id)
		}) {
			continue
		}
		one := ec2t.Instance{
			InstanceId: ptr(id), State: &ec2t.InstanceState{Name: ec2t.InstanceStateName(m.State)}, SubnetId: ptr(m.Subnet), InstanceType: ec2t.InstanceType(m.Type),
			PrivateIpAddress: ptr(m.Address), IamInstanceProfile: &ec2t.IamInstanceProfile{Arn: ptr("arn:aws:iam::" + account + ":instance-profile/" + m.Profile)},
		}
		for _, g := range m.Groups {
			one.SecurityGroups = append(one.SecurityGroups, ec2t.GroupIdentifier{GroupId: ptr(g)})
		}
		out.Reservations = append(out.Reservations, ec2t.Reservation{Instances: []ec2t.Instance{one}})
	}
	return out, nil
}

// describeInstanceStatus has both checks pass after a minute and a half.
func describeInstanceStatus(r request, in *ec2.DescribeInstanceStatusInput) (*ec2.DescribeInstanceStatusOutput, error) {
	out := &ec2.DescribeInstanceStatusOutput{}
	for _, id := range in.InstanceIds {
		var m *Machine
		if r.Recovery != nil {
			m = r.Recovery.Machines[r.region][id]
		}
		if m == nil {
			return nil, notInEC2("InstanceID", id)
		}
		status := ec2t.SummaryStatusOk
		switch {
		case m.State != "running":
			status = ec2t.SummaryStatusNotApplicable
		case r.Recovery.Impaired[m.Name]:
			status = ec2t.SummaryStatusImpaired
		case r.now.Sub(m.Since) < 90*time.Second:
			status = ec2t.SummaryStatusInitializing
		}
		system := status
		if status == ec2t.SummaryStatusImpaired {
			system = ec2t.SummaryStatusOk
		}
		out.InstanceStatuses = append(out.InstanceStatuses, ec2t.InstanceStatus{
			InstanceId: ptr(id), InstanceState: &ec2t.InstanceState{Name: ec2t.InstanceStateName(m.State)},
			SystemStatus: &ec2t.InstanceStatusSummary{Status: system}, InstanceStatus: &ec2t.InstanceStatusSummary{Status: status},
		})
	}
	return out, nil
}

func stopInstances(r request, in *ec2.StopInstancesInput) (*ec2.StopInstancesOutput, error) {
	out := &ec2.StopInstancesOutput{}
	for _, id := range in.InstanceIds {
		if r.Recovery == nil || r.Recovery.Machines[r.region][id] == nil {
			return nil, notInEC2("InstanceID", id)
		}
	}
	for _, id := range in.InstanceIds {
		m := r.Recovery.Machines[r.region][id]
		m.State, m.Since = "stopped", r.now
		out.StoppingInstances = append(out.StoppingInstances, ec2t.InstanceStateChange{InstanceId: ptr(id), CurrentState: &ec2t.InstanceState{Name: ec2t.InstanceStateNameStopping}})
	}
	return out, nil
}

// ledBy are the target groups of servers that a Region has, behind a load balancer of
// their own.
func (s *State) ledBy(region string) []string {
	if s.Recovery == nil {
		return nil
	}
	return sortedKeys(s.Recovery.Led[region])
}

func serverGroup(region, name string) elbt.TargetGroup {
	return elbt.TargetGroup{
		TargetGroupArn: ptr(targetGroupARN(region, name)), TargetGroupName: ptr(name), TargetType: elbt.TargetTypeEnumInstance, Port: ptr(int32(8080)),
		Protocol: elbt.ProtocolEnumHttp, HealthCheckEnabled: ptr(true), HealthCheckPath: ptr("/healthz"), VpcId: ptr(vpcID(region)),
	}
}

// serverHealth are the targets of a group of servers; ok is false where it is none.
func (r request) serverHealth(arn string) (out *elb.DescribeTargetHealthOutput, ok bool) {
	for _, name := range r.ledBy(r.region) {
		if targetGroupARN(r.region, name) != arn {
			continue
		}
		out, targets := &elb.DescribeTargetHealthOutput{}, r.Recovery.Led[r.region][name]
		for _, id := range sortedKeys(targets) {
			m, state := r.Recovery.Machines[r.region][id], elbt.TargetHealthStateEnumHealthy
			switch {
			case m == nil || m.State != "running":
				state = elbt.TargetHealthStateEnumUnused
			case r.now.Sub(m.Since) < 2*time.Minute:
				state = elbt.TargetHealthStateEnumInitial
			}
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, elbt.TargetHealthDescription{
				Target: &elbt.TargetDescription{Id: ptr(id), Port: ptr(targets[id])}, TargetHealth: &elbt.TargetHealth{State: state},
			})
		}
		return out, true
	}
	return nil, false
}

func registerTargets(r request, in *elb.RegisterTargetsInput) (*elb.RegisterTargetsOutput, error) {
	targets, err := r.targetsOf(deref(in.TargetGroupArn))
	if err != nil {
		return nil, err
	}
	for _, t := range in.Targets {
		if r.Recovery.Machines[r.region][deref(t.Id)] == nil {
			return nil, &elbt.InvalidTargetException{Message: ptr("the instance " + deref(t.Id) + " does not exist")}
		}
	}
	for _, t := range in.Targets {
		targets[deref(t.Id)] = deref(t.Port)
	}
	return &elb.RegisterTargetsOutput{}, nil
}

func deregisterTargets(r request, in *elb.DeregisterTargetsInput) (*elb.DeregisterTargetsOutput, error) {
	targets, err := r.targetsOf(deref(in.TargetGroupArn))
	if err != nil {
		return nil, err
	}
	for _, t := range in.Targets {
		delete(targets, deref(t.Id))
	}
	return &elb.DeregisterTargetsOutput{}, nil
}

func (r request) targetsOf(arn string) (map[string]int32, error) {
	for _, name := range r.ledBy(r.region) {
		if targetGroupARN(r.region, name) == arn {
			return r.Recovery.Led[r.region][name], nil
		}
	}
	return nil, &elbt.TargetGroupNotFoundException{Message: ptr("Target group '" + arn + "' not found")}
}
