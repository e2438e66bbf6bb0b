// What a dashboard of Grafana with panels of kind "timeseries" over Prometheus may have, by the types that Grafana publishes.
import type { AnnotationQuery, Dashboard, DataQuery, FieldConfig, FieldConfigSource, Panel, RowPanel } from "@grafana/schema";
import type { FieldConfig as Custom, Options } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// Plain has the values of an enum in place of the enum, as JSON does.
type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

type Source = { type: "prometheus"; uid: string };
type Query = Pick<DataQuery, "refId" | "hide"> & { datasource: Source; expr: string; legendFormat?: string; instant?: boolean };
type Fields = Omit<FieldConfigSource, "defaults"> & { defaults: Omit<FieldConfig, "custom"> & { custom?: Partial<Custom> } };
type TimeSeries = Omit<Panel, "type" | "targets" | "options" | "fieldConfig" | "datasource"> & {
	id: number;
	type: "timeseries";
	title: string;
	gridPos: { x: number; y: number; w: number; h: number };
	datasource: Source;
	targets: Query[];
	options: Options;
	fieldConfig: Fields;
};

export type Board = Plain<
	Omit<Dashboard, "annotations" | "panels"> & {
		uid: string;
		title: string;
		annotations: { list: (AnnotationQuery<Query> & { titleFormat?: string })[] }; // the last is of the data source
		panels: (TimeSeries | RowPanel)[];
	}
>;
