package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"
)

// ---- CloudWatch ----

// inJSON passes a call in CBOR on in JSON, and its answer back in CBOR. A service model
// has the types of all fields; here a time is told by its name, as CloudWatch names them.
func (s *standIn) inJSON(c *awsCall) *awsAnswer {
	asked, err := cbor.Decode(c.body)
	if err != nil || c.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
		return nil
	}
	body, err := json.Marshal(fromCBOR(asked))
	if err != nil {
		return &awsAnswer{code: http.StatusBadRequest, body: []byte(err.Error())}
	}
	a := s.pass(c.Context(), c.with(func(c *awsCall) {
		c.URL.Path, c.URL.RawPath, c.body = "/", "", body
		c.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801."+c.operation)
		c.Header.Set("Content-Type", "application/x-amz-json-1.0")
		c.Header.Del("Smithy-Protocol")
	}))
	told := json.NewDecoder(bytes.NewReader(a.body))
	told.UseNumber()
	var v any
	if err := told.Decode(&v); err != nil {
		return a // moto says in HTML what has gone wrong in it
	}
	return &awsAnswer{a.code, http.Header{"Content-Type": {"application/cbor"}, "Smithy-Protocol": {"rpc-v2-cbor"}}, cbor.Encode(toCBOR("", v))}
}

// alarmsOf are the alarms on that metric, with just those dimensions.
func (s *standIn) alarmsOf(c *awsCall) *awsAnswer {
	a := s.inJSON(c)
	if a == nil || a.code != http.StatusOK {
		return a
	}
	asked, unread := cbor.Decode(c.body)
	told, untold := cbor.Decode(a.body)
	if unread != nil || untold != nil {
		return a
	}
	dimensions := func(v cbor.Value) any { return fromCBOR(v).(map[string]any)["Dimensions"] }
	all, _ := told.(cbor.Map)["MetricAlarms"].(cbor.List)
	all = slices.DeleteFunc(all, func(one cbor.Value) bool { return !reflect.DeepEqual(dimensions(one), dimensions(asked)) })
	told.(cbor.Map)["MetricAlarms"] = all
	a.body = cbor.Encode(told)
	return a
}

// fromCBOR is a value of CBOR as JSON has it: times are seconds.
func fromCBOR(v cbor.Value) any {
	switch v := v.(type) {
	case cbor.Map:
		out := map[string]any{}
		for key, one := range v {
			out[key] = fromCBOR(one)
		}
		if all, is := out["Dimensions"].([]any); is { // they have no order, and moto gives them one
			slices.SortFunc(all, func(x, y any) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
		}
		return out
	case cbor.List:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = fromCBOR(one)
		}
		return out
	case *cbor.Tag:
		return fromCBOR(v.Value)
	case cbor.Uint:
		return uint64(v)
	case cbor.NegInt:
		return -int64(v) //nolint:gosec // nobody asks CloudWatch for so little
	case cbor.Float32:
		return float32(v)
	case cbor.Float64:
		return float64(v)
	case cbor.String:
		return string(v)
	case cbor.Bool:
		return bool(v)
	}
	return nil
}

// toCBOR is a value of JSON, by its field's name, as CBOR has it: times have the tag 1.
func toCBOR(name string, v any) cbor.Value {
	switch v := v.(type) {
	case map[string]any:
		out := cbor.Map{}
		for key, one := range v {
			if one != nil { // a field that is not there is left out
				out[key] = toCBOR(key, one)
			}
		}
		return out
	case []any:
		out := make(cbor.List, len(v))
		for i, one := range v {
			out[i] = toCBOR(name, one)
		}
		return out
	case json.Number:
		f, _ := v.Float64() // the decoder has read it as a number
		n, err := v.Int64()
		switch {
		case strings.HasSuffix(name, "Timestamp") || strings.HasSuffix(name, "Timestamps"):
			return &cbor.Tag{ID: 1, Value: cbor.Float64(f)}
		case err != nil:
			return cbor.Float64(f)
		case n < 0:
			return cbor.NegInt(uint64(-n))
		}
		return cbor.Uint(uint64(n)) //nolint:gosec // it is not below zero
	case string:
		return cbor.String(v)
	case bool:
		return cbor.Bool(v)
	}
	return &cbor.Nil{}
}

// ---- XML ----

// element is a piece of an answer in XML, with all that is in it.
type element struct {
	XMLName xml.Name
	Text    string    `xml:",chardata"`
	In      []element `xml:",any"`
}

func leaf(name, text string) element {
	return element{XMLName: xml.Name{Local: name}, Text: text}
}

func branch(name string, in ...element) element {
	return element{XMLName: xml.Name{Local: name}, In: in}
}

// at is the first element on that way, or nil.
func (e *element) at(path ...string) *element {
	for _, name := range path {
		i := slices.IndexFunc(e.In, func(in element) bool { return in.XMLName.Local == name })
		if i < 0 {
			return nil
		}
		e = &e.In[i]
	}
	return e
}

func (e *element) text(path ...string) string {
	if is := e.at(path...); is != nil {
		return strings.TrimSpace(is.Text)
	}
	return ""
}

// put sets elements, in place of those of the same names.
func (e *element) put(all ...element) {
	for _, one := range all {
		e.In = slices.DeleteFunc(e.In, func(in element) bool { return in.XMLName.Local == one.XMLName.Local })
		e.In = append(e.In, one)
	}
}

func readXML(a *awsAnswer) (*element, error) {
	var e element
	if err := xml.Unmarshal(a.body, &e); err != nil {
		return nil, err
	}
	e.bare()
	return &e, nil
}

// bare takes the namespaces off, which nobody reads.
func (e *element) bare() {
	e.XMLName.Space = ""
	if len(e.In) > 0 {
		e.Text = ""
	}
	for i := range e.In {
		e.In[i].bare()
	}
}

func (a *awsAnswer) as(e *element) *awsAnswer {
	data, err := xml.Marshal(e)
	if err != nil {
		panic(err) // it was read a moment ago
	}
	return &awsAnswer{a.code, http.Header{"Content-Type": {"text/xml"}}, data}
}

// pageOf is that part of a list which was asked for: at most so many, from behind the marker
// on, which the page before has given; next is empty at the end.
func pageOf[T any](all []T, most, marker string, usual int) (some []T, next string) {
	from, _ := strconv.Atoi(marker)
	n, err := strconv.Atoi(most)
	if err != nil || n <= 0 {
		n = usual
	}
	from = min(max(from, 0), len(all))
	to := min(from+n, len(all))
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next
}

// ---- RDS ----

// globalClusters are moto's, of those asked for, with what it does not tell: that each
// member follows, and that the cluster of which a global one was made writes. In moto all
// follow.
func (s *standIn) globalClusters(c *awsCall) *awsAnswer {
	a := s.pass(c.Context(), c)
	e, err := readXML(a)
	if err != nil || a.code != http.StatusOK {
		return a
	}
	result := e.at("DescribeGlobalClustersResult")
	list := result.at("GlobalClusters")
	if list == nil {
		result.put(branch("GlobalClusters"))
		list = result.at("GlobalClusters")
	}
	asked := c.form()
	if id := asked.Get("GlobalClusterIdentifier"); id != "" {
		list.In = slices.DeleteFunc(list.In, func(one element) bool { return !strings.EqualFold(one.text("GlobalClusterIdentifier"), id) })
		if len(list.In) == 0 {
			return refused(http.StatusNotFound, "GlobalClusterNotFoundFault", "Global cluster "+id+" not found")
		}
	}
	some, next := pageOf(list.In, asked.Get("MaxRecords"), asked.Get("Marker"), 100)
	list.In = slices.Clone(some)
	if next != "" {
		result.put(leaf("Marker", next))
	}
	for i := range list.In {
		if members := list.In[i].at("GlobalClusterMembers"); members != nil {
			writes := slices.ContainsFunc(members.In, func(m element) bool { return m.text("IsWriter") == "true" })
			for n := range members.In {
				members.In[n].put(leaf("SynchronizationStatus", "connected"))
				if !writes && n == 0 {
					members.In[n].put(leaf("IsWriter", "true"))
				}
			}
		}
	}
	return a.as(e)
}

// ---- ElastiCache ----

// datastore is a global one: the first member is the primary.
type datastore struct {
	id, about, node, engine, version string
	members                          []datastoreMember
}

type datastoreMember struct{ group, region string }

// datastorePrefix is what AWS puts before the name that somebody gave; it tells the Region of who
// made it.
const datastorePrefix = "ldgnf-"

// makeDatastore makes one of a replication group that is there.
func (s *standIn) makeDatastore(c *awsCall) *awsAnswer {
	asked := c.form()
	primary := asked.Get("PrimaryReplicationGroupId")
	a := s.pass(c.Context(), c.with(func(c *awsCall) {
		c.body = []byte(url.Values{"Action": {"DescribeReplicationGroups"}, "Version": {asked.Get("Version")}, "ReplicationGroupId": {primary}}.Encode())
	}))
	e, err := readXML(a)
	if err != nil || a.code != http.StatusOK {
		return a // there is no such group
	}
	is := e.at("DescribeReplicationGroupsResult", "ReplicationGroups", "ReplicationGroup")
	if is == nil {
		return refused(http.StatusNotFound, "ReplicationGroupNotFoundFault", "ReplicationGroup "+primary+" not found.")
	}
	d := &datastore{
		id: datastorePrefix + asked.Get("GlobalReplicationGroupIdSuffix"), about: asked.Get("GlobalReplicationGroupDescription"),
		node: is.text("CacheNodeType"), engine: cmp.Or(is.text("Engine"), "redis"), version: "7.1.0", members: []datastoreMember{{primary, c.region}},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.datastores, func(other *datastore) bool { return other.id == d.id }) {
		return refused(http.StatusBadRequest, "GlobalReplicationGroupAlreadyExistsFault", "Global replication group "+d.id+" already exists.")
	}
	s.datastores = append(s.datastores, d)
	return inXML(http.StatusOK, "<CreateGlobalReplicationGroupResponse><CreateGlobalReplicationGroupResult>"+d.xml(true)+"</CreateGlobalReplicationGroupResult></CreateGlobalReplicationGroupResponse>")
}

// joinDatastore makes a group that belongs to a datastore of the nodes that this is made
// of; others are moto's.
func (s *standIn) joinDatastore(c *awsCall) *awsAnswer {
	asked := c.form()
	id := asked.Get("GlobalReplicationGroupId")
	if id == "" {
		return nil
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.datastores, func(d *datastore) bool { return d.id == id })
	var d *datastore
	if i >= 0 {
		d = s.datastores[i]
	}
	s.mu.Unlock()
	if d == nil {
		return refused(http.StatusNotFound, "GlobalReplicationGroupNotFoundFault", "Global replication group "+id+" not found.")
	}
	asked.Set("CacheNodeType", d.node)
	asked.Set("Engine", d.engine)
	a := s.pass(c.Context(), c.with(func(c *awsCall) { c.body = []byte(asked.Encode()) }))
	if a.code == http.StatusOK {
		s.mu.Lock()
		d.members = append(d.members, datastoreMember{asked.Get("ReplicationGroupId"), c.region})
		s.mu.Unlock()
	}
	return a
}

// describeDatastores answers in the Regions of a datastore's members, and in no other.
func (s *standIn) describeDatastores(c *awsCall) *awsAnswer {
	asked := c.form()
	id := asked.Get("GlobalReplicationGroupId")
	s.mu.Lock()
	defer s.mu.Unlock()
	var here []*datastore
	for _, d := range s.datastores {
		if (id == "" || d.id == id) && slices.ContainsFunc(d.members, func(m datastoreMember) bool { return m.region == c.region }) {
			here = append(here, d)
		}
	}
	if id != "" && len(here) == 0 {
		return refused(http.StatusNotFound, "GlobalReplicationGroupNotFoundFault", "Global replication group "+id+" not found.")
	}
	some, next := pageOf(here, asked.Get("MaxRecords"), asked.Get("Marker"), 100)
	var text strings.Builder
	for _, d := range some {
		text.WriteString(d.xml(asked.Get("ShowMemberInfo") == "true"))
	}
	if next != "" {
		next = "<Marker>" + next + "</Marker>"
	}
	return inXML(http.StatusOK, "<DescribeGlobalReplicationGroupsResponse><DescribeGlobalReplicationGroupsResult><GlobalReplicationGroups>"+text.String()+"</GlobalReplicationGroups>"+next+"</DescribeGlobalReplicationGroupsResult></DescribeGlobalReplicationGroupsResponse>")
}

func (d *datastore) xml(members bool) string {
	e := branch("GlobalReplicationGroup",
		leaf("GlobalReplicationGroupId", d.id), leaf("GlobalReplicationGroupDescription", d.about), leaf("Status", "available"),
		leaf("CacheNodeType", d.node), leaf("Engine", d.engine), leaf("EngineVersion", d.version),
		leaf("ClusterEnabled", "false"), leaf("ARN", "arn:aws:elasticache::123456789012:globalreplicationgroup:"+d.id))
	if members {
		all := branch("Members")
		for i, m := range d.members {
			all.In = append(all.In, branch("GlobalReplicationGroupMember",
				leaf("ReplicationGroupId", m.group), leaf("ReplicationGroupRegion", m.region),
				leaf("Role", []string{"PRIMARY", "SECONDARY"}[min(i, 1)]), leaf("Status", "associated"), leaf("AutomaticFailover", "enabled")))
		}
		e.put(all)
	}
	data, err := xml.Marshal(e)
	if err != nil {
		panic(err) // it is made of strings
	}
	return string(data)
}

// ---- Service Quotas ----

// defaultQuotas are AWS's own values.
//
// https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html
var defaultQuotas = map[string]struct {
	name  string
	value float64
}{
	"ec2 L-1216C47A":                  {"Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5},
	"vpc L-DF5E4CA3":                  {"Network interfaces per Region", 5000},
	"elasticloadbalancing L-7E6692B2": {"Targets per Application Load Balancer", 1000},
	"elasticloadbalancing L-EEF1AD04": {"Targets per Network Load Balancer", 3000},
	"elasticloadbalancing L-A0D0B863": {"Targets per Target Group per Region", 1000},
}

// raise is what AWS does when somebody has asked for more in a Region.
func (s *standIn) raise(region, service, code string, to float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raised[region+" "+service+" "+code] = to
}

// quota is moto's where it knows it, and else one that was raised.
func (s *standIn) quota(c *awsCall) *awsAnswer {
	if a := s.pass(c.Context(), c); a.code == http.StatusOK {
		return a
	}
	return s.quotaOf(c, func(service, code string) (float64, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		value, is := s.raised[c.region+" "+service+" "+code]
		return value, is
	})
}

func (s *standIn) defaultQuota(c *awsCall) *awsAnswer {
	return s.quotaOf(c, func(service, code string) (float64, bool) {
		d, is := defaultQuotas[service+" "+code]
		return d.value, is
	})
}

func (s *standIn) quotaOf(c *awsCall, value func(service, code string) (float64, bool)) *awsAnswer {
	var asked struct{ ServiceCode, QuotaCode string }
	if err := json.Unmarshal(c.body, &asked); err != nil {
		return inJSON11(http.StatusBadRequest, map[string]any{"__type": "SerializationException"})
	}
	v, is := value(asked.ServiceCode, asked.QuotaCode)
	if !is {
		return inJSON11(http.StatusBadRequest, map[string]any{"__type": "NoSuchResourceException", "Message": "The request failed because the specified service quota does not exist."})
	}
	return inJSON11(http.StatusOK, map[string]any{"Quota": map[string]any{
		"ServiceCode": asked.ServiceCode, "QuotaCode": asked.QuotaCode, "QuotaName": defaultQuotas[asked.ServiceCode+" "+asked.QuotaCode].name,
		"QuotaArn": fmt.Sprintf("arn:aws:servicequotas:%s:123456789012:%s/%s", c.region, asked.ServiceCode, asked.QuotaCode),
		"Value":    v, "Unit": "None", "Adjustable": true, "GlobalQuota": false,
	}})
}

// ---- CloudFront ----

// distributions are moto's with what each has by itself, in pages.
func (s *standIn) distributions(c *awsCall) *awsAnswer {
	a := s.pass(c.Context(), c.with(func(c *awsCall) { c.URL.RawQuery = "" }))
	e, err := readXML(a)
	if err != nil || a.code != http.StatusOK {
		return a
	}
	all := branch("Items")
	if items := e.at("Items"); items != nil {
		all = *items
	}
	asked := c.URL.Query()
	most := cmp.Or(asked.Get("MaxItems"), "100")
	some, next := pageOf(all.In, most, asked.Get("Marker"), 100)
	all.In = slices.Clone(some)
	for i := range all.In {
		own, err := readXML(s.pass(c.Context(), c.with(func(c *awsCall) {
			c.URL.Path, c.URL.RawPath, c.URL.RawQuery = c.URL.Path+"/"+all.In[i].text("Id")+"/config", "", ""
		})))
		if err != nil {
			return &awsAnswer{code: http.StatusBadGateway, body: []byte(err.Error())}
		}
		for _, name := range []string{"Origins", "OriginGroups", "Aliases"} {
			if has := own.at(name); has != nil {
				all.In[i].put(*has)
			}
		}
	}
	e.put(all, leaf("Quantity", strconv.Itoa(len(some))), leaf("MaxItems", most), leaf("Marker", asked.Get("Marker")), leaf("IsTruncated", strconv.FormatBool(next != "")))
	if next != "" {
		e.put(leaf("NextMarker", next))
	}
	return a.as(e)
}

var defaultTarget = regexp.MustCompile(`(?s)(<DefaultCacheBehavior>.*?<TargetOriginId>)([^<]*)(</TargetOriginId>)`)

// makeDistribution has the default path lead to the first origin of its group, and
// remembers the group.
func (s *standIn) makeDistribution(c *awsCall) *awsAnswer {
	asked, err := readXML(&awsAnswer{body: c.body})
	m := defaultTarget.FindSubmatch(c.body)
	if err != nil || m == nil {
		return nil
	}
	group, first := string(m[2]), ""
	if all := asked.at("OriginGroups", "Items"); all != nil {
		for _, one := range all.In {
			if one.text("Id") == group {
				first = one.text("Members", "Items", "OriginGroupMember", "OriginId")
			}
		}
	}
	if first == "" {
		return nil
	}
	a := s.pass(c.Context(), c.with(func(c *awsCall) { c.body = defaultTarget.ReplaceAll(c.body, []byte("${1}"+first+"${3}")) }))
	made, err := readXML(a)
	if err != nil || a.code != http.StatusCreated {
		return a
	}
	s.mu.Lock()
	s.groups[made.text("Id")] = group
	s.mu.Unlock()
	return a.leadingTo(group)
}

// ofDistribution is moto's answer with the group that the default path leads to.
func (s *standIn) ofDistribution(c *awsCall) *awsAnswer {
	a := s.pass(c.Context(), c)
	s.mu.Lock()
	group := s.groups[strings.Split(apiVersion.ReplaceAllString(c.URL.Path, ""), "/")[1]]
	s.mu.Unlock()
	if group == "" || a.code != http.StatusOK {
		return a
	}
	return a.leadingTo(group)
}

func (a *awsAnswer) leadingTo(group string) *awsAnswer {
	a.body = defaultTarget.ReplaceAll(a.body, []byte("${1}"+group+"${3}"))
	return a
}

// ---- Regions ----

// inOneRegion refuses what is signed for another Region than that of the service's only
// control plane.
func (s *standIn) inOneRegion(c *awsCall) *awsAnswer {
	if c.region == "us-east-1" {
		return nil
	}
	return refused(http.StatusForbidden, "SignatureDoesNotMatch", fmt.Sprintf("Credential should be scoped to a valid Region, not &#39;%s&#39;. ", c.region))
}

// inBucketsRegion remembers where buckets are made, and sends who asks for one elsewhere
// to its own Region.
func (s *standIn) inBucketsRegion(c *awsCall) *awsAnswer {
	name, _, _ := strings.Cut(strings.TrimPrefix(c.URL.Path, "/"), "/")
	if c.operation == "CreateBucket" {
		a := s.pass(c.Context(), c)
		if a.code == http.StatusOK {
			s.mu.Lock()
			s.buckets[name] = c.region
			s.mu.Unlock()
		}
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.buckets[name]
	if own == "" || c.region == "" || c.region == own {
		return nil
	}
	a := inXML(http.StatusMovedPermanently, fmt.Sprintf("<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.</Message><Endpoint>s3.%s.amazonaws.com</Endpoint><Bucket>%s</Bucket></Error>", own, name))
	a.header.Set("X-Amz-Bucket-Region", own)
	return a
}
