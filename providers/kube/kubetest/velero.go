package kubetest

import (
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Velero's objects, of which a cluster knows nothing before [Platform.Velero].
var (
	Backups          = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "backups"}
	StorageLocations = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "backupstoragelocations"}
	Restores         = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "restores"}
	PodVolumeBackups = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "podvolumebackups"}

	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// Velero makes Velero's objects known to a Region's cluster, as installing it does; all
// tests share that. Nobody acts on them.
func (p *Platform) Velero(region string) {
	p.t.Helper()
	for kind, gvr := range map[string]schema.GroupVersionResource{
		"Backup": Backups, "BackupStorageLocation": StorageLocations, "Restore": Restores, "PodVolumeBackup": PodVolumeBackups,
	} {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": gvr.Resource + "." + gvr.Group},
			"spec": map[string]any{
				"group": gvr.Group, "scope": "Namespaced",
				"names": map[string]any{"kind": kind, "plural": gvr.Resource},
				"versions": []any{map[string]any{
					"name": gvr.Version, "served": true, "storage": true,
					"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
				}},
			},
		}}
		_, err := p.Admin(region).Resource(definitions).Create(p.t.Context(), u, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			p.t.Fatal(err)
		}
		p.Wait("the cluster knows of "+gvr.Resource, func() bool {
			_, err := p.Admin(region).Resource(gvr).Namespace(p.Namespace).List(p.t.Context(), metav1.ListOptions{})
			return err == nil
		})
	}
}

// Backup is one of a schedule in a Region's cluster, in the storage location "default".
func (p *Platform) Backup(region, schedule, name, phase string, start time.Time) {
	p.t.Helper()
	p.velero(region, "Backup", name, map[string]string{"velero.io/schedule-name": schedule}, map[string]any{"storageLocation": "default"}, map[string]any{
		"phase": phase, "startTimestamp": start.UTC().Format(time.RFC3339), "completionTimestamp": start.Add(time.Minute).UTC().Format(time.RFC3339),
	})
}

// StorageLocation is that named "default" in a Region's cluster, which has just been
// looked at.
func (p *Platform) StorageLocation(region, bucketRegion, phase string) {
	p.t.Helper()
	p.velero(region, "BackupStorageLocation", "default", nil,
		map[string]any{"provider": "aws", "config": map[string]any{"region": bucketRegion}, "objectStorage": map[string]any{"bucket": "backups"}},
		map[string]any{"phase": phase, "lastValidationTime": metav1.Now().UTC().Format(time.RFC3339)})
}

func (p *Platform) velero(region, kind, name string, labels map[string]string, spec, status map[string]any) {
	p.t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec, "status": status}}
	u.SetAPIVersion("velero.io/v1")
	u.SetKind(kind)
	u.SetName(name)
	u.SetLabels(labels)
	p.Create(region, u)
}
