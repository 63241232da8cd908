package sim

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Recovery is what Elastic Disaster Recovery has in the account, with the EC2 instances
// and the target groups of its servers.
type Recovery struct {
	// Sources, Instances and Jobs are the service's, by Region.
	Sources   map[string][]*SourceServer     `json:"sources"`
	Instances map[string][]*RecoveryInstance `json:"instances"`
	Jobs      map[string][]*RecoveryJob      `json:"jobs"`
	// Machines are the servers' EC2 instances, by Region and id.
	Machines map[string]map[string]*Machine `json:"machines"`
	// Led are the targets of their target groups: Region, group, instance, port.
	Led map[string]map[string]map[string]int32 `json:"led"`
	// Uninitialised are Regions in which nobody has set the service up.
	Uninitialised []string `json:"uninitialised,omitempty"`
	// Fails are servers whose launch fails, with what the job's log says of it; Astray those
	// that are launched into another subnet, by that; Stale are launched from that long ago.
	Fails  map[string]string        `json:"fails,omitempty"`
	Astray map[string]string        `json:"astray,omitempty"`
	Stale  map[string]time.Duration `json:"stale,omitempty"`
	// Broken are servers whose own page says something else than that all is well, once
	// they were launched in a Region; Impaired those whose status checks do not pass.
	Broken   map[string]string `json:"broken,omitempty"`
	Impaired map[string]bool   `json:"impaired,omitempty"`
	// Pointless servers have no point in time.
	Pointless map[string]bool `json:"pointless,omitempty"`
	// Pages is how many are on a page of an answer; 2 if not given.
	Pages int `json:"pages,omitempty"`
	// Count numbers what is made.
	Count int `json:"count"`
}

// SourceServer is one that is replicated to the Region in which it stands.
type SourceServer struct {
	ID     string `json:"id"`
	Region string `json:"region"`
	Name   string `json:"name"`
	// Of is the EC2 instance, in the other Region, that is replicated.
	Of        string `json:"of"`
	Direction string `json:"direction"`
	// Reversed is the ARN of the one of the opposite direction; empty without.
	Reversed string `json:"reversed,omitempty"`
	// State of its replication and since when it has it; Why of one that does not go on.
	State string    `json:"state"`
	Since time.Time `json:"since"`
	Why   string    `json:"why,omitempty"`
	// Launched is what the last launch made of it, and Result how that went.
	Launched string `json:"launched,omitempty"`
	Result   string `json:"result,omitempty"`
}

// ARN of the source server.
func (s *SourceServer) ARN() string {
	return fmt.Sprintf("arn:aws:drs:%s:%s:source-server/%s", s.Region, account, s.ID)
}

// RecoveryInstance is what was launched of a source server.
type RecoveryInstance struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Job    string `json:"job"`
	Drill  bool   `json:"drill,omitempty"`
	// Failback is its state, but for what follows from the reversed server.
	Failback string `json:"failback"`
	// Point is that of its data; Seen is when its agent was heard of last, zero: all the time.
	Point time.Time `json:"point"`
	Seen  time.Time `json:"seen,omitzero"`
	// OnPremises: it did not come from EC2.
	OnPremises bool `json:"on_premises,omitempty"`
}

// Machine is an EC2 instance of a server.
type Machine struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	State    string    `json:"state"`
	Since    time.Time `json:"since"`
	Subnet   string    `json:"subnet"`
	Groups   []string  `json:"groups"`
	Profile  string    `json:"profile"`
	Type     string    `json:"type"`
	Address  string    `json:"address"`
	LedUntil time.Time `json:"led_until"`
}

// RecoveryJob is one of the service's.
type RecoveryJob struct {
	ID      string            `json:"id"`
	Type    string            `json:"type"`
	By      string            `json:"by"`
	Drill   bool              `json:"drill,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	Created time.Time         `json:"created"`
	Ended   time.Time         `json:"ended,omitzero"`
	Servers []*JobServer      `json:"servers"`
}

// JobServer is what a job does with one server.
type JobServer struct {
	Source   string    `json:"source"`
	Name     string    `json:"name"`
	Status   string    `json:"status"`
	Instance string    `json:"instance,omitempty"`
	Why      string    `json:"why,omitempty"`
	At       time.Time `json:"at"`
}

// protected is a server that the service protects.
type protected struct {
	name string
	gib  int64
	led  string // its target group, if it has one
	port int32
}

var recovered = []protected{
	{"erp-app", 60, "erp", 8080}, {"erp-db", 200, "", 0}, {"reports", 120, "reports", 8080},
}

const (
	serverProbePort = 8080
	serverProbePath = "/health/data"
)

func serverNames() []string {
	out := make([]string, len(recovered))
	for i, s := range recovered {
		out[i] = s.name
	}
	return out
}

// bytesOf is how many bytes the disks of a server hold.
func bytesOf(name string) int64 {
	for _, s := range recovered {
		if s.name == name {
			return s.gib << 30
		}
	}
	return 0
}

// FailedOver gives the account servers that were failed over from the home Region to that
// one some days ago, and run there.
func (s *State) FailedOver(to string) {
	from := otherRegion(to)
	r := &Recovery{
		Sources: map[string][]*SourceServer{}, Instances: map[string][]*RecoveryInstance{}, Jobs: map[string][]*RecoveryJob{},
		Machines: map[string]map[string]*Machine{from: {}, to: {}},
		Led:      map[string]map[string]map[string]int32{from: {}, to: {}},
		Fails:    map[string]string{}, Astray: map[string]string{}, Stale: map[string]time.Duration{}, Broken: map[string]string{},
		Impaired: map[string]bool{}, Pointless: map[string]bool{},
	}
	s.Recovery = r
	long := s.Start.Add(-9 * 24 * time.Hour)
	job := &RecoveryJob{ID: r.id("drsjob"), Type: "LAUNCH", By: "START_RECOVERY", Created: long, Ended: long.Add(11 * time.Minute)}
	r.Jobs[to] = append(r.Jobs[to], job)
	for i, one := range recovered {
		was := r.machine(from, one.name, i, long)
		was.State = "stopped"
		src := &SourceServer{ID: r.id("s"), Region: to, Name: one.name, Of: was.ID, Direction: "FAILOVER", State: "DISCONNECTED", Since: long, Result: "SUCCEEDED"}
		is := r.machine(to, one.name, i, long)
		src.Launched = is.ID
		r.Sources[to] = append(r.Sources[to], src)
		r.Instances[to] = append(r.Instances[to], &RecoveryInstance{ID: is.ID, Source: src.ID, Job: job.ID, Failback: "FAILBACK_NOT_STARTED", Point: long.Add(-time.Minute)})
		job.Servers = append(job.Servers, &JobServer{Source: src.ID, Name: one.name, Status: "LAUNCHED", Instance: is.ID, At: job.Ended})
		if one.led != "" {
			r.lead(from, one.led, was.ID, one.port)
			r.lead(to, one.led, is.ID, one.port)
		}
	}
}

// id is a new one.
func (r *Recovery) id(kind string) string {
	r.Count++
	return fmt.Sprintf("%s-%017x", kind, draw(0, 1<<60, kind, r.Count))
}

// machine makes an EC2 instance of a server as it is set up in that Region.
func (r *Recovery) machine(region, name string, n int, at time.Time) *Machine {
	m := &Machine{
		ID: r.id("i"), Name: name, State: "running", Since: at, Subnet: "subnet-" + region + "-" + string(rune('a'+n%3)),
		Groups: []string{"sg-" + name + "-" + region}, Profile: "servers", Type: "m7i.xlarge",
		Address: strings.TrimSuffix(privateNets[region], "0.0/16") + fmt.Sprintf("1.%d", 10+len(r.Machines[region])),
	}
	r.Machines[region][m.ID] = m
	return m
}

func (r *Recovery) lead(region, group, instance string, port int32) {
	if r.Led[region][group] == nil {
		r.Led[region][group] = map[string]int32{}
	}
	r.Led[region][group][instance] = port
}

// leads says whether a target group of the Region leads to an instance.
func (r *Recovery) leads(region, instance string) bool {
	for _, targets := range r.Led[region] {
		if _, ok := targets[instance]; ok {
			return true
		}
	}
	return false
}

func (r *Recovery) source(region, id string) *SourceServer {
	for _, s := range r.Sources[region] {
		if s.ID == id {
			return s
		}
	}
	return nil
}

func (r *Recovery) instance(region, id string) *RecoveryInstance {
	for _, i := range r.Instances[region] {
		if i.ID == id {
			return i
		}
	}
	return nil
}

// syncTakes is how long replication is in a state before the next.
var syncTakes = []struct {
	state, next string
	takes       time.Duration
}{
	{"INITIATING", "INITIAL_SYNC", 40 * time.Second},
	{"INITIAL_SYNC", "CREATING_SNAPSHOT", 6 * time.Minute},
	{"CREATING_SNAPSHOT", "CONTINUOUS", 20 * time.Second},
	{"RESCAN", "CONTINUOUS", 2 * time.Minute},
}

// stepRecovery lets replication and jobs go on.
func (s *State) stepRecovery() {
	r := s.Recovery
	if r == nil {
		return
	}
	for _, region := range regionNames {
		for id, m := range r.Machines[region] {
			if r.leads(region, id) {
				m.LedUntil = s.At
			}
			if m.State == "shutting-down" && s.At.Sub(m.Since) >= 30*time.Second {
				m.State, m.Since = "terminated", s.At
			}
		}
		for _, one := range r.Sources[region] {
			if m := r.Machines[otherRegion(region)][one.Of]; m != nil && m.State != "running" && one.State != "STOPPED" && one.State != "DISCONNECTED" {
				one.State, one.Since = "DISCONNECTED", s.At
			}
			for _, t := range syncTakes {
				if one.State == t.state && s.At.Sub(one.Since) >= t.takes {
					one.State, one.Since = t.next, s.At
				}
			}
		}
		for _, j := range r.Jobs[region] {
			if j.Ended.IsZero() {
				s.stepJob(region, j)
			}
		}
	}
}

func (s *State) stepJob(region string, j *RecoveryJob) {
	over := true
	for i, p := range j.Servers {
		takes, since := 2*time.Minute+time.Duration(20*i)*time.Second, s.At.Sub(j.Created)
		if j.Type == "TERMINATE" {
			takes = 35 * time.Second
		}
		switch {
		case p.Status == "PENDING" && since >= 10*time.Second:
			p.Status, p.At = "IN_PROGRESS", s.At
		case p.Status == "IN_PROGRESS" && since >= takes:
			s.jobDone(region, j, p)
		}
		over = over && p.Status != "PENDING" && p.Status != "IN_PROGRESS"
	}
	if over {
		j.Ended = s.At
	}
}

// jobDone brings about what a job is for.
func (s *State) jobDone(region string, j *RecoveryJob, p *JobServer) {
	r := s.Recovery
	p.At = s.At
	if j.Type == "TERMINATE" {
		p.Status = "TERMINATED"
		r.Instances[region] = slices.DeleteFunc(r.Instances[region], func(i *RecoveryInstance) bool { return i.ID == p.Instance })
		return
	}
	src := r.source(region, p.Source)
	if why := r.Fails[p.Name]; why != "" || src == nil {
		p.Status, p.Why = "FAILED", cmp.Or(why, "the source server is gone")
		if src != nil {
			src.Result = "FAILED"
		}
		return
	}
	n := slices.IndexFunc(recovered, func(one protected) bool { return one.name == p.Name })
	m := r.machine(region, p.Name, max(n, 0), s.At)
	m.Subnet = cmp.Or(r.Astray[p.Name], m.Subnet)
	p.Status, p.Instance = "LAUNCHED", m.ID
	src.Launched, src.Result = m.ID, "SUCCEEDED"
	r.Instances[region] = append(r.Instances[region], &RecoveryInstance{
		ID: m.ID, Source: src.ID, Job: j.ID, Drill: j.Drill, Failback: "FAILBACK_NOT_STARTED", Point: j.Created.Add(15*time.Second - r.Stale[p.Name]),
	})
}

// lagOf is how far the replication of a source server is behind.
func (s *State) lagOf(one *SourceServer) time.Duration {
	m := s.Recovery.Machines[otherRegion(one.Region)][one.Of]
	switch {
	case one.State == "CONTINUOUS" && m != nil && s.At.Sub(m.LedUntil) > 20*time.Second:
		return 0
	case one.State == "CONTINUOUS":
		return 12 * time.Second
	default:
		return s.At.Sub(one.Since) + time.Minute
	}
}

// machineAt is the machine of an address; nil if there is none that runs.
func (s *State) machineAt(address string) (region string, m *Machine) {
	if s.Recovery == nil {
		return "", nil
	}
	for _, region := range regionNames {
		for _, m := range s.Recovery.Machines[region] {
			if m.Address == address && m.State == "running" {
				return region, m
			}
		}
	}
	return "", nil
}

// listenMachines is what answers at the addresses of a Region's servers.
func (w *World) listenMachines(region string) error {
	name := "machines " + region
	l, err := w.listenTCP(name)
	if err != nil {
		return err
	}
	w.servers.listen[name] = l.Addr()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+serverProbePath, w.serve(region, viaOwn, serverProbePath, false, func(s *State, r *http.Request, _ []byte) (int, any, bool) {
		host, _, _ := strings.Cut(r.Host, ":")
		_, m := s.machineAt(host)
		if m == nil {
			return http.StatusNotFound, reason("no server is at %s", host), false
		}
		if why := s.Recovery.Broken[m.Name]; why != "" && s.Recovery.instance(region, m.ID) != nil && m.Since.After(s.Start) {
			return http.StatusInternalServerError, reason("%s", why), false
		}
		return http.StatusOK, map[string]string{"data": "whole"}, false
	}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	w.servers.wait.Go(func() { _ = server.Serve(l) }) // always ErrServerClosed
	w.servers.close = append(w.servers.close, server.Close)
	return nil
}

// expectRecovered says what a scenario expects of the servers and is not so.
func (s *State) expectRecovered(e Expect, say say) {
	if e.Servers != "" {
		for _, one := range recovered {
			running, led := 0, false
			for id, m := range s.Recovery.Machines[e.Servers] {
				if m.Name == one.name && m.State == "running" {
					running++
					led = led || s.Recovery.leads(e.Servers, id)
				}
			}
			if running != 1 {
				say("%s runs %d times in %s, expected once", one.name, running, e.Servers)
			}
			if one.led != "" && !led {
				say("no target group in %s leads to %s, expected one to", e.Servers, one.name)
			}
			for id, m := range s.Recovery.Machines[otherRegion(e.Servers)] {
				if m.Name == one.name && m.State == "running" && s.Recovery.leads(otherRegion(e.Servers), id) {
					say("a target group in %s leads to %s, expected none to", otherRegion(e.Servers), one.name)
				}
			}
		}
	}
	if e.Protected != "" {
		for _, one := range recovered {
			if !slices.ContainsFunc(s.Recovery.Sources[e.Protected], func(o *SourceServer) bool {
				m := s.Recovery.Machines[otherRegion(e.Protected)][o.Of]
				return o.Name == one.name && o.State == "CONTINUOUS" && m != nil && m.State == "running"
			}) {
				say("%s is not replicated to %s up to the last moment", one.name, e.Protected)
			}
		}
	}
}
