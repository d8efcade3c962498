//! `weather`. Its conditions are those of `[[network.link]]`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Weather};
use splitbrain_kernel::selector::LinkForm;

use crate::scenario::key::Key;
use crate::scenario::section::SubTable;
use crate::scenario::section::network::{WeatherFields, WeatherTable};

use super::{Action, KINDS_OF_MESSAGE, action, fault, kinds, put_kinds};

const WEATHER: Key<SubTable<WeatherFields>> =
    action("weather", SubTable(WeatherFields), "Action: the conditions of links change, as in [[network.link]].");

/// Its actions.
pub(super) static ACTIONS: &[Action] = &[Action {
    key: &WEATHER,
    summary: "loss, duplication, reordering, latency, bandwidth or capacity of these links change",
    modifiers: &[KINDS_OF_MESSAGE.name],
    section: None,
    read: |reader, table| {
        let weather = table.get(reader, &WEATHER);
        let kinds = kinds(reader, table);
        let WeatherTable { links, conditions } = weather?;
        Some(fault(Weather { links: LinkForm::Between(links), conditions, kinds }))
    },
    pairs: |value, pairs| match value {
        What::Fault(Fault::Weather(Weather { links: LinkForm::Between(links), conditions, kinds })) => {
            let weather = WeatherTable { links: links.clone(), conditions: *conditions };
            Some(put_kinds(pairs.put(&WEATHER, &weather), kinds))
        }
        _ => None,
    },
}];
