package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

type object = map[string]any

// issuer is who signs the tokens of a Region's cluster.
func issuer(region string) string {
	return "https://oidc.eks." + region + ".amazonaws.com/id/LABORATORY"
}

// objectsIn is what the cluster of a Region has, by the path of each list: two services with
// their pods, which run the images of those digests, add-ons, nodes in three zones, and
// Velero's backups of the other Region's cluster.
func objectsIn(region string, digests map[string]string, now time.Time) map[string][]object {
	replicas := map[string]int{"us-east-1": 6, "us-west-2": 2}[region]
	in := func(namespace, name string, more object) object {
		meta := object{"name": name}
		if namespace != "" {
			meta["namespace"] = namespace
		}
		if m, ok := more["metadata"].(object); ok {
			maps.Copy(meta, m)
		}
		o := maps.Clone(more)
		if o == nil {
			o = object{}
		}
		o["metadata"] = meta
		return o
	}
	has := map[string][]object{}
	for i := range 300 { // add-ons, which are in every cluster
		has["apps/v1/deployments"] = append(has["apps/v1/deployments"], in("kube-system", fmt.Sprintf("add-on-%03d", i), nil))
	}
	for _, name := range []string{"order-service", "user-service"} { // on the last page
		repository := "123456789012.dkr.ecr." + region + ".amazonaws.com/" + name
		pod := object{"serviceAccountName": name, "containers": []object{
			{
				"name": name, "image": repository + ":1", "resources": object{"requests": object{"cpu": "500m", "memory": "1Gi"}},
				"env": []object{{"name": "EVENTS", "value": "https://sqs." + region + ".amazonaws.com/123456789012/order-events"}},
			},
		}}
		has["apps/v1/deployments"] = append(has["apps/v1/deployments"], in("shop", name, object{
			"spec":   object{"replicas": replicas, "template": object{"spec": pod}},
			"status": object{"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas, "updatedReplicas": replicas},
		}))
		for i := range replicas {
			spec := maps.Clone(pod)
			spec["nodeName"] = fmt.Sprint("node-", i%6)
			has["v1/pods"] = append(has["v1/pods"], in("shop", fmt.Sprintf("%s-7d9c5b-%d", name, i), object{
				"metadata": object{
					"labels":          object{"pod-template-hash": "7d9c5b"},
					"ownerReferences": []object{{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name + "-7d9c5b", "uid": name, "controller": true}},
				},
				"spec": spec,
				"status": object{
					"phase": "Running", "conditions": []object{{"type": "Ready", "status": "True"}},
					"containerStatuses": []object{{"name": name, "ready": true, "image": repository + ":1", "imageID": repository + "@" + digests[name]}},
				},
			}))
		}
		has["v1/serviceaccounts"] = append(has["v1/serviceaccounts"], in("shop", name, object{"metadata": object{
			"annotations": object{"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/" + name},
		}}))
	}
	has["batch/v1/cronjobs"] = []object{in("shop", "invoices", object{"spec": object{"suspend": region == "us-west-2"}})}
	for i := range 6 {
		has["v1/nodes"] = append(has["v1/nodes"], in("", fmt.Sprint("node-", i), object{
			"metadata": object{"labels": object{"topology.kubernetes.io/zone": fmt.Sprint(region, string(rune('a'+i%3)))}},
			"status": object{
				"conditions":  []object{{"type": "Ready", "status": "True"}},
				"allocatable": object{"cpu": "7910m", "memory": "30Gi", "pods": "58"},
			},
		}))
	}
	has["autoscaling/v2/horizontalpodautoscalers"] = []object{in("shop", "order-service", object{"spec": object{
		"minReplicas": replicas, "maxReplicas": 12, "scaleTargetRef": object{"kind": "Deployment", "name": "order-service"},
	}})}
	// What monitors them: Prometheus as its operator has it, and Grafana.
	has["apps/v1/statefulsets"] = []object{in("monitoring", "prometheus-k8s", object{"spec": object{"replicas": 1, "template": object{
		"metadata": object{"labels": object{"app.kubernetes.io/name": "prometheus"}},
		"spec":     object{"containers": []object{{"name": "prometheus", "image": "quay.io/prometheus/prometheus:v3.5.0", "ports": []object{{"name": "web", "containerPort": 9090}}}}},
	}}})}
	has["apps/v1/deployments"] = append(has["apps/v1/deployments"], in("monitoring", "grafana", object{"spec": object{"template": object{
		"metadata": object{"labels": object{"app.kubernetes.io/name": "grafana"}},
		"spec":     object{"containers": []object{{"name": "grafana", "image": "docker.io/grafana/grafana:12.1.0", "ports": []object{{"containerPort": 3000}}}}},
	}}}))
	service := func(name string, port int, target any) object {
		return in("monitoring", name, object{"spec": object{"clusterIP": "172.20.0.10", "selector": object{"app.kubernetes.io/name": name}, "ports": []object{{"port": port, "targetPort": target}}}})
	}
	has["v1/services"] = []object{service("prometheus", 9090, "web"), service("grafana", 80, 3000)}
	has["networking.k8s.io/v1/ingresses"] = []object{in("monitoring", "grafana", object{"spec": object{
		"tls": []object{{"hosts": []string{"grafana." + region + ".ecommerce.com"}}},
		"rules": []object{{"host": "grafana." + region + ".ecommerce.com", "http": object{"paths": []object{
			{"path": "/", "backend": object{"service": object{"name": "grafana", "port": object{"number": 80}}}},
		}}}},
	}})}
	has["velero.io/v1/schedules"] = []object{in("velero", "shop-"+region, object{"spec": object{"schedule": "*/10 * * * *", "template": object{"includedNamespaces": []string{"shop"}}}})}
	has["velero.io/v1/backupstoragelocations"] = []object{in("velero", "default", object{
		"spec":   object{"default": true, "provider": "aws", "config": object{"region": region}, "objectStorage": object{"bucket": "ecommerce-backups-" + region}},
		"status": object{"phase": "Available", "lastValidationTime": now.Add(-30 * time.Second).UTC().Format(time.RFC3339)},
	})}
	for _, other := range regions {
		for i := range 3 {
			began := now.Add(-time.Duration(4+10*i) * time.Minute).UTC()
			has["velero.io/v1/backups"] = append(has["velero.io/v1/backups"], in("velero", "shop-"+other+"-"+began.Format("20060102150405"), object{
				"metadata": object{"labels": object{"velero.io/schedule-name": "shop-" + other}},
				"spec":     object{"storageLocation": "default"},
				"status":   object{"phase": "Completed", "startTimestamp": began.Format(time.RFC3339), "completionTimestamp": began.Add(time.Minute).Format(time.RFC3339)},
			}))
		}
	}
	return has
}

// regions of the laboratory: the home first.
var regions = []string{"us-east-1", "us-west-2"}

var kubeKinds = map[string]string{
	"deployments": "Deployment", "pods": "Pod", "serviceaccounts": "ServiceAccount", "cronjobs": "CronJob", "nodes": "Node", "horizontalpodautoscalers": "HorizontalPodAutoscaler",
	"statefulsets": "StatefulSet", "services": "Service", "ingresses": "Ingress",
	"schedules": "Schedule", "backups": "Backup", "backupstoragelocations": "BackupStorageLocation",
}

var kubePath = regexp.MustCompile(`^/([a-z0-9-]+)/(?:api|apis)/(.+?)(?:/namespaces/([^/]+))?/([a-z]+)$`)

// apiServers answers for the clusters of both Regions, each below its Region's name: lists,
// in pages of 100, and the pages by which an API server tells of itself. It returns a
// kubeconfig for them.
func apiServers(t *testing.T, digests map[string]string) string {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fail := func(code int, reason, message string) {
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": message})
		}
		if r.Header.Get("Authorization") != "Bearer kube-secret" {
			fail(http.StatusUnauthorized, "Unauthorized", "Unauthorized")
			return
		}
		region, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch rest {
		case "readyz":
			_, _ = w.Write([]byte("ok"))
			return
		case ".well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(object{"issuer": issuer(region), "jwks_uri": issuer(region) + "/keys"})
			return
		}
		m := kubePath.FindStringSubmatch(r.URL.Path)
		if m == nil {
			fail(http.StatusNotFound, "NotFound", "the server could not find the requested resource")
			return
		}
		all, there := objectsIn(m[1], digests, time.Now())[m[2]+"/"+m[4]]
		if !there {
			fail(http.StatusNotFound, "NotFound", "the server could not find the requested resource")
			return
		}
		q := r.URL.Query()
		var asked []object
		for _, o := range all {
			meta, _ := o["metadata"].(object)
			labels, _ := meta["labels"].(object)
			label, value, some := strings.Cut(q.Get("labelSelector"), "=")
			if (m[3] == "" || meta["namespace"] == m[3]) && (!some || labels[label] == value) {
				asked = append(asked, o)
			}
		}
		from, _ := strconv.Atoi(q.Get("continue"))
		kind, version := kubeKinds[m[4]], m[2]
		for _, o := range asked {
			o["kind"], o["apiVersion"] = kind, version
		}
		some, meta := asked[min(from, len(asked)):], object{"resourceVersion": "1"}
		if len(some) > 100 {
			some, meta["continue"] = some[:100], strconv.Itoa(from+100)
		}
		_ = json.NewEncoder(w).Encode(object{"kind": kind + "List", "apiVersion": version, "metadata": meta, "items": some})
	}))
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig.yaml")
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	writeFile(t, file, fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
  - {name: east, cluster: {server: "%[1]s/us-east-1", certificate-authority-data: %[2]s}}
  - {name: west, cluster: {server: "%[1]s/us-west-2", certificate-authority-data: %[2]s}}
users: [{name: reader, user: {token: kube-secret}}]
contexts:
  - {name: us-east-1-shop, context: {cluster: east, user: reader}}
  - {name: us-west-2-shop, context: {cluster: west, user: reader}}
  - {name: elsewhere, context: {cluster: west, user: reader}}
`, s.URL, ca))
	return file
}
