package drs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const launchUndo = "terminate what was launched; the servers run on in the Region that is left, and are led back to their users there"

// LaunchInput is the input of Launch.
type LaunchInput struct {
	// Servers is the step that found which they are.
	Servers string `yaml:"servers" json:"servers"`
}

// jobs are those of a Region.
func (d *DRS) jobs(ctx context.Context, region string, ids ...string) ([]types.Job, error) {
	var out []types.Job
	in := &drs.DescribeJobsInput{}
	if len(ids) > 0 {
		in.Filters = &types.DescribeJobsRequestFilters{JobIDs: ids}
	}
	for {
		page, err := d.in(region).DescribeJobs(ctx, in, d.read)
		if err != nil {
			return nil, fmt.Errorf("list the jobs of Elastic Disaster Recovery in %s: %w", region, awserr.SortRead(ctx, err))
		}
		out = append(out, page.Items...)
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return out, nil
		}
	}
}

// launches is what a step has asked for, and what became of it.
type launches struct {
	servers []server
	// by says what became of each server, by its id.
	by map[string]launched
	// busy are other jobs that are under way on these servers.
	busy []string
}

// launched is what became of the launch of one server.
type launched struct {
	job    string // of this step; empty: it was not asked for
	status types.LaunchStatus
	// instance is what was launched; empty where there is none, or none any more.
	instance string
}

// live says that it was asked for and has not come to nothing.
func (l launched) live() bool {
	switch l.status { //nolint:exhaustive // the others came to nothing
	case types.LaunchStatusPending, types.LaunchStatusInProgress:
		return true
	case types.LaunchStatusLaunched:
		return l.instance != ""
	}
	return false
}

// asked reads which of the servers a step with that token has had launched. Jobs of EC2's
// servers are in the target, those of the Failback Client's where the servers run.
func (d *DRS) asked(ctx context.Context, c engine.Call, servers []server, token string) (*launches, error) {
	l := &launches{servers: servers, by: map[string]launched{}}
	regions := []string{c.Plan.Target.Name}
	if slices.ContainsFunc(servers, func(s server) bool { return s.client() }) {
		regions = append(regions, c.Plan.Source.Name)
	}
	there := map[string]types.RecoveryInstance{}
	for _, region := range regions {
		var jobs []types.Job
		var instances []types.RecoveryInstance
		if err := d.all(
			func() (err error) { jobs, err = d.jobs(ctx, region); return err },
			func() (err error) { instances, err = d.instances(ctx, region); return err },
		); err != nil {
			return nil, err
		}
		for _, i := range instances {
			there[aws.ToString(i.RecoveryInstanceID)] = i
		}
		slices.SortStableFunc(jobs, func(a, b types.Job) int { return moment(a.CreationDateTime).Compare(moment(b.CreationDateTime)) })
		for _, j := range jobs {
			for _, p := range j.ParticipatingServers {
				n := slices.IndexFunc(servers, func(s server) bool { return s.takesPart(p) })
				switch {
				case n < 0:
				case j.Tags[tag] == token:
					one := launched{job: aws.ToString(j.JobID), status: p.LaunchStatus}
					if i, ok := there[aws.ToString(p.RecoveryInstanceID)]; ok && runs(i) {
						one.instance = aws.ToString(p.RecoveryInstanceID)
					}
					if servers[n].client() && one.status == types.LaunchStatusLaunched {
						one.instance = aws.ToString(p.RecoveryInstanceID)
					}
					l.by[servers[n].id()] = one
				case j.Status != types.JobStatusCompleted:
					l.busy = append(l.busy, fmt.Sprintf("%s (%s, %s)", aws.ToString(j.JobID), j.InitiatedBy, servers[n].name()))
				}
			}
		}
	}
	return l, nil
}

// takesPart says whether a job's server is this one.
func (s *server) takesPart(p types.ParticipatingServer) bool {
	if s.client() {
		return aws.ToString(p.RecoveryInstanceID) == s.id()
	}
	return s.target() != "" && aws.ToString(p.SourceServerID) == s.target()
}

// runs says that the instance is there, and not on its way out.
func runs(i types.RecoveryInstance) bool {
	switch i.Ec2InstanceState { //nolint:exhaustive // the others are there
	case types.EC2InstanceStateTerminated, types.EC2InstanceStateShuttingDown, types.EC2InstanceStateNotFound:
		return false
	}
	return true
}

// handle names the jobs of this step that have not come to nothing.
func (l *launches) handle() string {
	jobs := map[string]bool{}
	for _, one := range l.by {
		if one.live() {
			jobs[one.job] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(jobs)), ",")
}

// missing are the servers that are still to be asked for.
func (l *launches) missing() []server {
	return slices.DeleteFunc(slices.Clone(l.servers), func(s server) bool { return l.by[s.id()].live() })
}

// launching is what is recorded before a launch: what its jobs are tagged with, and the
// servers.
type launching struct {
	Token   string   `json:"token"`
	Servers []string `json:"servers"`
}

// Launch reports whether all servers were asked for, by jobs that carry the step's token,
// and none has come to nothing.
func (d *DRS) Launch(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in LaunchInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	servers, err := d.listed(ctx, c, in.Servers)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	l, err := d.asked(ctx, c, servers, c.Token)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	missing := l.missing()
	o := engine.Outcome{Evidence: map[string]string{"servers": text.Count(len(servers), "server"), "tag": tag + "=" + c.Token}}
	if len(missing) == 0 {
		o.Job = l.handle()
		o.Summary = fmt.Sprintf("the launch of %s in %s was asked for: %s", text.Count(len(servers), "server"), c.Plan.Target.Name, o.Job)
		return o, true, nil
	}
	if len(l.busy) > 0 {
		o.Busy = true
		o.Summary = "another job is under way on these servers: " + text.Some(l.busy, shown)
		return o, false, nil
	}
	o.Before = "not launched in " + c.Plan.Target.Name
	o.Summary = fmt.Sprintf("%d of %s were not launched in %s by this run: %s", len(missing), text.Count(len(servers), "server"), c.Plan.Target.Name, names(missing))
	if o.Prior, err = json.Marshal(launching{c.Token, ids(servers)}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down which servers are launched: %w", err)}
	}
	return o, false, nil
}

func names(all []server) string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].name()
	}
	return text.Some(out, shown)
}

func ids(all []server) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].id()
	}
	return out
}

// LaunchDo asks for the launch of those that were not asked for, or came to nothing, from
// the latest data.
func (d *DRS) LaunchDo(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	var in LaunchInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, err
	}
	servers, err := d.listed(ctx, c, in.Servers)
	if err != nil {
		return engine.Outcome{}, err
	}
	l, err := d.asked(ctx, c, servers, c.Token)
	if err != nil {
		return engine.Outcome{}, err
	}
	missing := l.missing()
	o := engine.Outcome{Evidence: map[string]string{"tag": tag + "=" + c.Token}}
	var jobs, own, clients []string
	if was := l.handle(); was != "" {
		jobs = strings.Split(was, ",")
	}
	for i := range missing {
		switch s := &missing[i]; {
		case s.client():
			clients = append(clients, s.id())
		case s.target() == "":
			return o, &incident.CallError{
				NeedsPerson: true, Definite: true, Err: fmt.Errorf("%s is not replicated to %s, so there is nothing to launch", s, c.Plan.Target.Name),
				Hint: "stop this run, and begin another one, which reverses its replication",
			}
		default:
			own = append(own, s.target())
		}
	}
	tags := map[string]string{tag: c.Token}
	for batch := range slices.Chunk(own, atOnce) {
		in := &drs.StartRecoveryInput{IsDrill: aws.Bool(false), Tags: tags}
		for _, id := range batch {
			in.SourceServers = append(in.SourceServers, types.StartRecoveryRequestSourceServer{SourceServerID: aws.String(id)})
		}
		out, err := d.in(c.Plan.Target.Name).StartRecovery(ctx, in, once)
		if err != nil {
			return o, fmt.Errorf("have %s launched in %s: %w", text.Count(len(batch), "server"), c.Plan.Target.Name, conflict(awserr.Sort(ctx, err)))
		}
		jobs = append(jobs, jobID(out.Job))
	}
	for batch := range slices.Chunk(clients, atOnce) {
		out, err := d.in(c.Plan.Source.Name).StartFailbackLaunch(ctx, &drs.StartFailbackLaunchInput{RecoveryInstanceIDs: batch, Tags: tags}, once)
		if err != nil {
			return o, fmt.Errorf("have the Failback Client launch %s: %w", text.Count(len(batch), "server"), conflict(awserr.Sort(ctx, err)))
		}
		jobs = append(jobs, jobID(out.Job))
	}
	o.Job = strings.Join(jobs, ",")
	o.Evidence["jobs"] = o.Job
	o.Summary = fmt.Sprintf("asked for the launch of %s in %s: %s", text.Count(len(missing), "server"), c.Plan.Target.Name, o.Job)
	return o, nil
}

func jobID(j *types.Job) string {
	if j == nil {
		return ""
	}
	return aws.ToString(j.JobID)
}

// conflict adds what people can do where another job holds a server: the call did not
// happen, as a whole.
func conflict(err error) error {
	f, ok := errors.AsType[*incident.CallError](err)
	if !ok || awserr.Code(err) != "ConflictException" {
		return err
	}
	told := *f
	told.Hint = "another job is under way on one of the servers, or it is in no state for this: look at the jobs in the console, and retry when they are over"
	return &told
}

// LaunchEffect says what would happen now.
func (d *DRS) LaunchEffect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	var in LaunchInput
	if err := c.With(&in); err != nil {
		return incident.Effect{}, err
	}
	servers, err := d.listed(ctx, c, in.Servers)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, What: fmt.Sprintf("StartRecovery in %s of %s, from their latest data: %s", c.Plan.Target.Name, text.Count(len(servers), "server"), names(servers)),
		Lost:  "what is written in " + c.Plan.Source.Name + " from then on, by whatever still reaches the servers there",
		Undo:  launchUndo,
		Bound: "launch " + strings.Join(ids(servers), " ") + " in " + c.Plan.Target.Name,
	}, nil
}

// Job follows jobs of a launch, or of taking one back. COMPLETED says that the job is over;
// each server's own result says how. It is an error where one failed, with what the log of
// the job says of it.
func (d *DRS) Job(ctx context.Context, c engine.Call, handle string) (engine.Progress, error) {
	wanted := strings.Split(handle, ",")
	var jobs []types.Job
	for _, region := range []string{c.Plan.Target.Name, c.Plan.Source.Name} {
		all, err := d.jobs(ctx, region, wanted...)
		if err != nil && len(jobs) < len(wanted) {
			return engine.Progress{}, err
		}
		jobs = append(jobs, all...)
		if len(jobs) == len(wanted) {
			break
		}
	}
	p := engine.Progress{Share: -1}
	p.Evidence = map[string]string{"jobs": handle}
	if len(jobs) < len(wanted) {
		return p, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("the service does not know %s any more", handle), Hint: "look which servers were launched, and retry"}
	}
	r := resultOf(jobs)
	for who, one := range r.of {
		p.Evidence[who] = strings.TrimSpace(string(one.LaunchStatus) + " " + aws.ToString(one.RecoveryInstanceID))
	}
	all, count := len(r.of), r.count
	done := count[types.LaunchStatusLaunched] + count[types.LaunchStatusTerminated] + count[types.LaunchStatusFailed]
	if all > 0 {
		p.Share = float64(done) / float64(all)
	}
	what := "launched"
	if r.terminates {
		what = "terminated"
	}
	p.Summary = fmt.Sprintf("%d of %s %s", done-count[types.LaunchStatusFailed], text.Count(all, "server"), what)
	if n := count[types.LaunchStatusFailed]; n > 0 {
		p.Summary += fmt.Sprintf(", %d failed", n)
	}
	if !r.over {
		return p, nil
	}
	var failed []string
	for _, who := range slices.Sorted(maps.Keys(r.of)) {
		switch r.of[who].LaunchStatus { // the job is over, and the others came to nothing
		case types.LaunchStatusLaunched, types.LaunchStatusTerminated:
		default:
			failed = append(failed, d.why(ctx, r.job[who], r.of[who]))
		}
	}
	if len(failed) > 0 {
		return p, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("the job is COMPLETED, and %d of %s were not %s: %s", len(failed), text.Count(all, "server"), what, text.Some(failed, shown)),
			Hint: "mend what the log of the job says, and retry: only these servers are asked for again then",
		}
	}
	p.Done, p.Share = true, 1
	return p, nil
}

// result is what jobs made of each of their servers, by its source server: the newest counts.
type result struct {
	of               map[string]types.ParticipatingServer
	job              map[string]*types.Job
	count            map[types.LaunchStatus]int
	over, terminates bool
}

func resultOf(jobs []types.Job) result {
	r := result{of: map[string]types.ParticipatingServer{}, job: map[string]*types.Job{}, count: map[types.LaunchStatus]int{}, over: true}
	slices.SortStableFunc(jobs, func(a, b types.Job) int { return moment(a.CreationDateTime).Compare(moment(b.CreationDateTime)) })
	for i := range jobs {
		r.over = r.over && jobs[i].Status == types.JobStatusCompleted
		r.terminates = r.terminates || jobs[i].Type == types.JobTypeTerminate
		for _, s := range jobs[i].ParticipatingServers {
			who := aws.ToString(s.SourceServerID)
			r.of[who], r.job[who] = s, &jobs[i]
		}
	}
	for _, s := range r.of {
		r.count[s.LaunchStatus]++
	}
	return r
}

// why is what the log of a job says of a server that failed; where the log cannot be read,
// that.
func (d *DRS) why(ctx context.Context, j *types.Job, s types.ParticipatingServer) string {
	who := aws.ToString(s.SourceServerID)
	if i := strings.Index(aws.ToString(j.Arn), ":drs:"); i < 0 {
		return who + " " + string(s.LaunchStatus)
	}
	region := strings.Split(aws.ToString(j.Arn), ":")[3]
	if known, err := d.sources(ctx, region); err == nil {
		for i := range known {
			if aws.ToString(known[i].SourceServerID) == who && known[i].Tags["Name"] != "" {
				who = known[i].Tags["Name"] + " (" + who + ")"
			}
		}
	}
	said, err := d.log(ctx, region, aws.ToString(j.JobID), aws.ToString(s.SourceServerID))
	if err != nil {
		return fmt.Sprintf("%s: %s, and the log of %s cannot be read: %v", who, s.LaunchStatus, aws.ToString(j.JobID), err)
	}
	if len(said) == 0 {
		return fmt.Sprintf("%s: %s, of which the log of %s says nothing", who, s.LaunchStatus, aws.ToString(j.JobID))
	}
	return fmt.Sprintf("%s: %s (%s)", who, s.LaunchStatus, strings.Join(said, "; "))
}

// log are the lines of a job's log that tell of a failure of that server, or of the job as a
// whole.
func (d *DRS) log(ctx context.Context, region, job, server string) ([]string, error) {
	var out []string
	in := &drs.DescribeJobLogItemsInput{JobID: aws.String(job)}
	for {
		page, err := d.in(region).DescribeJobLogItems(ctx, in, d.read)
		if err != nil {
			return nil, fmt.Errorf("read the log of %s: %w", job, awserr.SortRead(ctx, err))
		}
		for _, item := range page.Items {
			e := item.EventData
			of := ""
			raw := ""
			if e != nil {
				of, raw = aws.ToString(e.SourceServerID), aws.ToString(e.RawError)
			}
			name := string(item.Event)
			bad := strings.HasSuffix(name, "_FAIL") || strings.HasSuffix(name, "_FAILED") || item.Event == types.JobLogEventServerSkipped || item.Event == types.JobLogEventJobCancel || item.Event == types.JobLogEventUsingPreviousSnapshot
			if !bad || of != "" && of != server {
				continue
			}
			line := moment(item.LogDateTime).UTC().Format("15:04:05 UTC") + " " + name
			if raw != "" {
				line += ": " + raw
			}
			out = append(out, line)
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return out, nil
		}
	}
}

// standing is what is left of a launch.
type standing struct {
	// here are the recovery instances that it has launched in the target.
	here []string
	// job is the one that terminates others; empty if none does. under is the launch itself,
	// as long as it is not over.
	job, under string
}

// standing reads what is left of the launch whose jobs carry the token that was recorded.
func (d *DRS) standing(ctx context.Context, c engine.Call, prior json.RawMessage) (s standing, err error) {
	was, err := engine.Recorded[launching](prior)
	if err != nil {
		return s, err //nolint:wrapcheck // says what cannot be read
	}
	region := c.Plan.Target.Name
	var jobs []types.Job
	var instances []types.RecoveryInstance
	if err := d.all(
		func() (err error) { jobs, err = d.jobs(ctx, region); return err },
		func() (err error) { instances, err = d.instances(ctx, region); return err },
	); err != nil {
		return s, err
	}
	of, leaving := map[string]bool{}, map[string]string{}
	for _, j := range jobs {
		for _, p := range j.ParticipatingServers {
			id := aws.ToString(p.RecoveryInstanceID)
			if j.Type == types.JobTypeTerminate && j.Status != types.JobStatusCompleted {
				leaving[id] = aws.ToString(j.JobID)
			}
			if j.Type != types.JobTypeTerminate && j.Tags[tag] == was.Token && id != "" {
				of[aws.ToString(j.JobID)] = true
			}
		}
		if j.Tags[tag] == was.Token && j.Status != types.JobStatusCompleted {
			s.under = aws.ToString(j.JobID)
		}
	}
	ending := map[string]bool{}
	for _, i := range instances {
		id := aws.ToString(i.RecoveryInstanceID)
		switch j := leaving[id]; {
		case !of[aws.ToString(i.JobID)]:
		case j != "":
			ending[j] = true
		case runs(i):
			s.here = append(s.here, id)
		}
	}
	slices.Sort(s.here)
	s.job = strings.Join(slices.Sorted(maps.Keys(ending)), ",")
	return s, nil
}

// LaunchLookBack reports whether nothing is left of what the launch had started, or is being
// terminated. What users are led to is not taken away from them unasked.
func (d *DRS) LaunchLookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	s, err := d.standing(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	here, job := s.here, s.job
	o := engine.Outcome{Evidence: map[string]string{"instances": strings.Join(here, ", ")}, Job: job}
	if s.under != "" {
		o.Job, o.Busy = "", true
		o.Summary = fmt.Sprintf("the launch %s is under way in %s: what it launches is not known before it is over", s.under, c.Plan.Target.Name)
		return o, false, nil
	}
	if len(here) > 0 {
		if err := d.unused(ctx, c, here); err != nil {
			return o, false, err
		}
		o.Job = ""
		o.Summary = fmt.Sprintf("%s of this run in %s: %s", text.Count(len(here), "recovery instance"), c.Plan.Target.Name, text.Some(here, shown))
		return o, false, nil
	}
	o.Summary = "nothing that this run launched is left in " + c.Plan.Target.Name
	if job != "" {
		o.Summary = "what this run launched in " + c.Plan.Target.Name + " is being terminated: " + job
	}
	return o, true, nil
}

// unused is an error where requests reach one of these instances by a target group.
func (d *DRS) unused(ctx context.Context, c engine.Call, instances []string) error {
	region := c.Plan.Target.Name
	members, err := d.members(ctx, region)
	if err != nil {
		return err
	}
	var found []engine.Difference
	for _, id := range instances {
		if in := members.of(id); len(in) > 0 {
			found = append(found, engine.Difference{
				What: id + " in " + region, Now: "in target group " + text.Some(groupNames(in), shown), Set: "launched, and in no target group", Was: "not there",
			})
		}
	}
	return c.Meanwhile(found...)
}

// LaunchBack terminates what was launched.
func (d *DRS) LaunchBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	s, err := d.standing(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	here, job := s.here, s.job
	o := engine.Outcome{Evidence: map[string]string{"instances": strings.Join(here, ", ")}, Job: job}
	if s.under != "" {
		return o, &incident.CallError{NeedsPerson: true, Definite: true, Err: fmt.Errorf("the launch %s is under way in %s", s.under, c.Plan.Target.Name), Hint: "retry when it is over"}
	}
	if len(here) == 0 {
		o.Summary = "nothing that this run launched was left in " + c.Plan.Target.Name
		return o, nil
	}
	if err := d.unused(ctx, c, here); err != nil {
		return o, err
	}
	var jobs []string
	for batch := range slices.Chunk(here, atOnce) {
		out, err := d.in(c.Plan.Target.Name).TerminateRecoveryInstances(ctx, &drs.TerminateRecoveryInstancesInput{RecoveryInstanceIDs: batch}, once)
		if err != nil {
			return o, fmt.Errorf("terminate %s in %s: %w", text.Count(len(batch), "recovery instance"), c.Plan.Target.Name, conflict(awserr.Sort(ctx, err)))
		}
		jobs = append(jobs, jobID(out.Job))
	}
	o.Job = strings.Join(jobs, ",")
	o.Summary = fmt.Sprintf("asked to terminate %s in %s: %s", text.Count(len(here), "recovery instance"), c.Plan.Target.Name, text.Some(here, shown))
	return o, nil
}

// LaunchedInput is the input of Launched.
type LaunchedInput struct {
	// Servers is the step that found them, Launch the one that had them launched; Original
	// the one that recorded how they were; Frozen the one that took users out of them.
	Servers  string `yaml:"servers" json:"servers"`
	Launch   string `yaml:"launch" json:"launch"`
	Frozen   string `yaml:"frozen" json:"frozen"`
	Original string `yaml:"original" json:"original"`
}

// Launched finds what was launched, one for each server, and checks that it was launched
// from a point in time after users were taken out of the servers, and that it is set up as
// the server was before: subnet, security groups, instance profile and type.
func (d *DRS) Launched(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in LaunchedInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	servers, err := d.listed(ctx, c, in.Servers)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	region := c.Plan.Target.Name
	instances, err := d.instances(ctx, region)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	frozen, _ := c.Result(in.Frozen)
	recorded, _ := c.Result(in.Original)
	l := landing{region: region, by: map[string]string{}, frozen: frozen.At, now: d.clock.Now(), original: recorded.Evidence, told: map[string]string{}}
	for i := range servers {
		l.take(&servers[i], instances)
	}
	var machines map[string]machine
	if len(l.by) > 0 {
		if machines, err = d.described(ctx, region, slices.Sorted(maps.Values(l.by))); err != nil {
			return engine.Outcome{}, false, err
		}
	}
	l.compare(servers, machines)
	o, ok := l.answer()
	return o, ok, nil
}

// landing is what a launch has led to.
type landing struct {
	region   string
	by       map[string]string // the recovery instance of each server
	frozen   time.Time
	now      time.Time
	original map[string]string
	told     map[string]string
	items    []string
	wrong    []string
	unknown  []string
}

func (l *landing) take(s *server, instances []types.RecoveryInstance) {
	if s.client() {
		l.told[s.id()] = s.name() + "; launched by the Failback Client"
		return
	}
	n := slices.IndexFunc(instances, func(i types.RecoveryInstance) bool {
		return s.target() != "" && aws.ToString(i.SourceServerID) == s.target() && runs(i) && !aws.ToBool(i.IsDrill)
	})
	if n < 0 {
		l.wrong, l.told[s.id()] = append(l.wrong, s.name()+" was not launched"), s.name()+"; not launched"
		return
	}
	i := instances[n]
	id, point := aws.ToString(i.RecoveryInstanceID), moment(i.PointInTimeSnapshotDateTime)
	l.by[s.id()], l.items = id, append(l.items, id)
	l.told[s.id()] = fmt.Sprintf("%s; %s of %s", s.name(), id, point.UTC().Format(time.RFC3339))
	switch {
	case point.IsZero():
		l.unknown = append(l.unknown, s.name()+" does not say of which point in time it is")
	case !l.frozen.IsZero() && point.Before(l.frozen):
		l.wrong = append(l.wrong, fmt.Sprintf("%s is of %s, before users were taken out of it at %s: what was written between the two is missing", s.name(),
			point.UTC().Format("15:04:05 UTC"), l.frozen.UTC().Format("15:04:05 UTC")))
	}
}

// compare says what is set up in another way than it was recorded.
func (l *landing) compare(servers []server, machines map[string]machine) {
	for i := range servers {
		s := &servers[i]
		id, there := l.by[s.id()]
		was, known := machineOf(l.original[s.id()])
		switch {
		case !there:
		case !known:
			l.unknown = append(l.unknown, "how "+s.name()+" was set up before is not known")
		default:
			if differs := was.differs(machines[id]); len(differs) > 0 {
				l.wrong = append(l.wrong, s.name()+" is set up in another way than before: "+strings.Join(differs, ", "))
			}
		}
	}
}

func (l *landing) answer() (engine.Outcome, bool) {
	o := engine.Outcome{Evidence: l.told, Items: l.items, Measured: incident.Measured{Verdict: incident.Pass, AsOf: l.now, Figures: []incident.Figure{
		{Name: "servers launched", Value: float64(len(l.items)), Unit: "servers"},
	}}}
	if len(l.wrong) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s launched in %s, not all as they should be: %s", text.Count(len(l.items), "server"), l.region, text.Some(l.wrong, shown))
		return o, false
	}
	o.Summary = fmt.Sprintf("%s launched in %s from data of after users were taken out, set up as before", text.Count(len(l.told), "server"), l.region)
	if len(l.unknown) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("%s launched in %s; %s", text.Count(len(l.told), "server"), l.region, text.Some(l.unknown, shown))
	}
	return o, true
}
