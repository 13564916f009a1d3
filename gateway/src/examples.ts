/**
 * The questions GraphiQL opens with and `civex start` prints. Each is run by a test. Without
 * operation names: GraphiQL keeps the name of the tab before when it changes tabs, and then cannot tell what to run.
 */
export interface ExampleQuestion {
  readonly title: string;
  readonly query: string;
}

export const EXAMPLE_QUESTIONS: readonly ExampleQuestion[] = [
  {
    title: 'Transport datasets, ten per catalog, with what can be asked of them and under which licence',
    query: `# Transport datasets (EU theme TRAN), ten per catalog.
{
  catalogs {
    id
    title
    datasets(filter: { themes: ["TRAN"] }, first: 10) {
      totalCount
      totalIsExact
      nodes {
        id
        title
        publisher { name }
        license { status id title }
        queryables { name type }
        distributions { format downloadURL }
      }
      sources { catalog status requests durationMs error { code message } }
    }
  }
}
`,
  },
  {
    title: 'Bike stations with free bikes, now, in four cities',
    query: `# Bike stations with free bikes, now. The columns differ from city to city.
{
  bordeaux: dataset(id: "bordeaux:ci_vcub_p") { ...Stations records(filter: { property: "nbvelos", gt: 0 }, first: 5) { ...Free } }
  umea: dataset(id: "umea:cykelstationer-umea") { ...Stations records(filter: { property: "lediga_cyklar", gt: 0 }, first: 5) { ...Free } }
  leicester: dataset(id: "leicester:bike-share-docking-stations") { ...Stations records(filter: { property: "bikes_available", gt: 0 }, first: 5) { ...Free } }
  mexico: dataset(id: "mexico-city:estaciones-de-ecobici") { ...Stations records(filter: { property: "bicis_disponibles", gt: 0 }, first: 5) { ...Free } }
}
fragment Stations on Dataset { title license { status title } }
fragment Free on RecordConnection {
  totalCount
  totalIsExact
  nodes { values geometry }
  plan { pushed residual requests scannedRecords portalQuery }
  source { status fetchedAt age durationMs }
}
`,
  },
  {
    title: 'Free bikes in four cities in all, and spending by month to the last penny',
    query: `# Free bikes in four cities in all; spending by month in Leicester, to the last penny.
{
  bordeaux: dataset(id: "bordeaux:ci_vcub_p") { title aggregate(measures: [{ as: "stations", op: COUNT }, { as: "bikes", op: SUM, property: "nbvelos" }], first: 1) { ...Groups } }
  umea: dataset(id: "umea:cykelstationer-umea") { title aggregate(measures: [{ as: "stations", op: COUNT }, { as: "bikes", op: SUM, property: "lediga_cyklar" }], first: 1) { ...Groups } }
  leicester: dataset(id: "leicester:bike-share-docking-stations") { title aggregate(measures: [{ as: "stations", op: COUNT }, { as: "bikes", op: SUM, property: "bikes_available" }], first: 1) { ...Groups } }
  mexico: dataset(id: "mexico-city:estaciones-de-ecobici") { title aggregate(measures: [{ as: "stations", op: COUNT }, { as: "bikes", op: SUM, property: "bicis_disponibles" }], first: 1) { ...Groups } }
  spending: dataset(id: "leicester:expenditure-exceeding-ps500-2024") {
    title
    aggregate(
      groupBy: [{ property: "payment_date", every: MONTH }]
      measures: [{ as: "payments", op: COUNT }, { as: "pounds", op: SUM, property: "amount" }]
      first: 20
    ) { ...Groups }
  }
}
fragment Groups on AggregateResult {
  groups { key measures }
  truncated
  plan { pushed residual requests scannedRecords portalQuery }
  source { status fetchedAt age durationMs }
}
`,
  },
  {
    title: 'A search over every catalog, with a report for each',
    query: `# "velo" over every catalog: the best hits first, and what each portal did.
{
  datasets(search: "velo", first: 20) {
    totalCount
    totalIsExact
    nodes { id title catalog { title country } modified }
    pageInfo { hasNextPage endCursor }
    sources { catalog status requests durationMs age error { code message } }
  }
}
`,
  },
];
